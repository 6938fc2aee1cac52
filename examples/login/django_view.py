"""A Django view that returns a share token for the user who is logged in: path("share-token", share_token)."""

from __future__ import annotations

import json
import os
from urllib.request import Request, urlopen

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST


@csrf_exempt  # safe: it changes nothing, and only your own pages can read the answer
@require_POST
def share_token(request: HttpRequest) -> JsonResponse:
    """Answer `{"token", "scope", "expiresAt"}`, valid for 15 minutes; 401, which a script can read, without a login."""
    if not request.user.is_authenticated:
        return JsonResponse({"error": "log in first"}, status=401)
    token_request = Request(  # noqa: S310, the address is from our own settings
        f"{os.environ['SHARES_URL']}/tokens",
        data=json.dumps({"userId": str(request.user.pk), "ttl": 900}).encode(),
        headers={"Authorization": f"Bearer {os.environ['SHARES_KEY']}", "Content-Type": "application/json"},
    )
    with urlopen(token_request, timeout=5) as answer:  # noqa: S310
        return JsonResponse(json.load(answer))
