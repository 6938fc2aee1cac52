"""The part of the AsyncAPI document that tells of the WebSocket `/live`: its server, channel and messages.

A message of a client may hold several of its fields at once. So there is one message for all that clients say, with
an example for each field: every message is valid by one and only one, as the specification wants.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sharetally.web.count_responses import CountBody
from sharetally.web.documents.asyncapi_live_examples import CLIENT_MESSAGE_EXAMPLES, SERVER_MESSAGE_EXAMPLES
from sharetally.web.documents.openapi_responses import PROBLEM
from sharetally.web.live.schemas import ActivityBody, LiveMessage

TYPES = (LiveMessage, CountBody, ActivityBody)
SCHEMAS: Mapping[str, Any] = {
    "Problem": PROBLEM,
    "LiveError": {
        "type": "object",
        "description": "What could not be done, as HTTP would answer it. The connection stays, except after "
        "`unauthenticated` and after too many messages.",
        "required": ["error"],
        "properties": {"error": {"$ref": "#/components/schemas/Problem"}},
        "additionalProperties": False,
    },
}
_ABOUT = """\
One WebSocket for up to 1,000 contents. A count is told as it stands when one begins to follow it, then whenever it \
changes, always absolute, at most ten times a second; versions only rise. A credential comes in the headers of the \
handshake or in the field `token`, and is needed where counts are not public, and for `activity`.
"""
_CLIENT_MESSAGE = "liveSaid"
_SERVER_MESSAGES = {
    "liveCount": ("CountBody", "A content's count, as it stands at first, then as it moves."),
    "liveActivity": ("ActivityBody", "After `subscribe` of `activity`: the last hour, then the minutes that changed."),
    "liveError": ("LiveError", "What could not be done."),
}


def live_server(address: str) -> dict[str, Any]:
    """Where the WebSocket is; `address` is this service's, or its path alone where PUBLIC_URL does not tell."""
    url = urlsplit(address)
    server: dict[str, Any] = {
        "host": url.netloc or "{host}",
        "protocol": "wss" if url.scheme == "https" else "ws",
        "protocolVersion": "13",
        "description": "This service itself.",
    }
    if path := url.path.rstrip("/"):
        server["pathname"] = path
    if not url.netloc:
        server["variables"] = {"host": {"default": "localhost:8000", "description": "PUBLIC_URL tells it, where set."}}
    return server


def live_channel() -> dict[str, Any]:
    """What goes both ways."""
    return {
        "address": "/live",
        "title": "Live counts",
        "description": _ABOUT,
        "servers": [{"$ref": "#/servers/live"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (_CLIENT_MESSAGE, *_SERVER_MESSAGES)},
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
    }


def live_operations() -> dict[str, Any]:
    """What the service takes and tells there."""
    return {
        "takeLiveSaid": _operation(
            "receive", _CLIENT_MESSAGE, "Follow contents or the activity, follow no longer, say who."
        ),
        **{
            f"tell{name[:1].upper()}{name[1:]}": _operation("send", name, about)
            for name, (_, about) in _SERVER_MESSAGES.items()
        },
    }


def _operation(action: str, message: str, summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/live"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/live/messages/{message}"}],
    }


def live_messages() -> dict[str, Any]:
    """What clients say, and each kind that they hear."""
    about = "`token`, `unsubscribe` and `subscribe`, in one message or several; obeyed in this order."
    server_messages = {
        name: _message(name, schema, about, {name: SERVER_MESSAGE_EXAMPLES[name]})
        for name, (schema, about) in _SERVER_MESSAGES.items()
    }
    return {
        _CLIENT_MESSAGE: _message(_CLIENT_MESSAGE, "LiveMessage", about, CLIENT_MESSAGE_EXAMPLES),
        **server_messages,
    }


def _message(name: str, schema: str, about: str, examples: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "title": name,
        "description": about,
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{schema}"},
        "examples": [{"name": each, "payload": payload} for each, payload in examples.items()],
    }
