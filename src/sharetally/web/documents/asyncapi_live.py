"""The part of the AsyncAPI document about the WebSocket `/live`: its server, channel and messages.

A client's message may contain several fields at once. The document therefore has one message for everything that
clients send, with an example for each field, because the specification wants each message to match exactly one.
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
        "description": "An error, as in an HTTP response. The connection stays open, except after `unauthenticated` "
        "and after too many messages.",
        "required": ["error"],
        "properties": {"error": {"$ref": "#/components/schemas/Problem"}},
        "additionalProperties": False,
    },
}
_ABOUT = """\
One WebSocket for up to 1,000 content items. A client gets the current count when it starts to follow a content item, \
and then every change, at most ten times a second. Counts are always absolute, and versions only rise. If counts are \
not public, and for `activity`, a credential is needed, in the headers of the handshake or in the field `token`.
"""
_CLIENT_MESSAGE = "liveSaid"
_SERVER_MESSAGES = {
    "liveCount": ("CountBody", "The count of a content item: first the current one, then every change."),
    "liveActivity": ("ActivityBody", "After `subscribe` to `activity`: the last hour, then the minutes that changed."),
    "liveError": ("LiveError", "An error."),
}


def live_server(address: str) -> dict[str, Any]:
    """The server of the WebSocket; `address` is that of this service, or only its path if PUBLIC_URL is not set."""
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
        server["variables"] = {
            "host": {"default": "localhost:8000", "description": "The host of PUBLIC_URL, if that is set."}
        }
    return server


def live_channel() -> dict[str, Any]:
    """The channel, for messages in both directions."""
    return {
        "address": "/live",
        "title": "Live counts",
        "description": _ABOUT,
        "servers": [{"$ref": "#/servers/live"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (_CLIENT_MESSAGE, *_SERVER_MESSAGES)},
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
    }


def live_operations() -> dict[str, Any]:
    """The operations: what the service receives and what it sends."""
    return {
        "takeLiveSaid": _operation(
            "receive", _CLIENT_MESSAGE, "Follow content items or the activity, stop following them, or authenticate."
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
    """The message of clients, and each kind of message that they receive."""
    about = "`token`, `unsubscribe` and `subscribe`, in one message or several; processed in this order."
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
