"""`openapi`: prints the OpenAPI document without a running service."""

from __future__ import annotations

import msgspec

from sharetally.web.api import API_ENDPOINTS, PROBE_ENDPOINTS
from sharetally.web.documents.openapi import document


def openapi() -> str:
    """The document that a running service returns, with paths relative to `/`."""
    return msgspec.json.encode(document((*API_ENDPOINTS, *PROBE_ENDPOINTS), server="")).decode()
