"""A Django view that answers a share token for whoever is logged in: path("share-token", share_token)."""

from __future__ import annotations

import json
import os
from urllib.request import Request, urlopen

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST


@csrf_exempt  # it changes nothing, and no page but yours can read the answer
@require_POST
def share_token(request: HttpRequest) -> JsonResponse:
    """`{"token", "scope", "expiresAt"}`, good for 15 minutes; 401 to strangers, as a page's script cannot log in."""
    if not request.user.is_authenticated:
        return JsonResponse({"error": "log in first"}, status=401)
    asked = Request(  # noqa: S310, the address is from our own settings
        f"{os.environ['SHARES_URL']}/tokens",
        data=json.dumps({"userId": str(request.user.pk), "ttl": 900}).encode(),
        headers={"Authorization": f"Bearer {os.environ['SHARES_KEY']}", "Content-Type": "application/json"},
    )
    with urlopen(asked, timeout=5) as answer:  # noqa: S310
        return JsonResponse(json.load(answer))
