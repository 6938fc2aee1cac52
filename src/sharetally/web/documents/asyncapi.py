"""The AsyncAPI 3.0 document: what is told to `sharetally.events`, taken from `sharetally.in`, and said over `/live`.

Made from the types that are encoded, when it is first asked for. Where the broker is, is not for the public
to know: its address is a variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sharetally import __version__
from sharetally.domain.event import Job
from sharetally.flow.consumers.feed_jobs import FEED_JOBS
from sharetally.web.documents.asyncapi_examples import FEED_EXAMPLES, INBOUND_EXAMPLES
from sharetally.web.documents.asyncapi_live import (
    SCHEMAS,
    TYPES,
    live_channel,
    live_messages,
    live_operations,
    live_server,
)
from sharetally.web.documents.events import ExternalCountUpdate, ExternalJob, ExternalShare
from sharetally.web.documents.openapi_parameters import REF, as_json_schema

EXCHANGE = "sharetally.events"
QUEUE = "sharetally.in"
INBOUND: Mapping[str, type[ExternalJob]] = {
    Job.SHARE_CREATED: ExternalShare,
    Job.SHARE_DELETED: ExternalShare,
    Job.SHARE_COUNT_UPDATE: ExternalCountUpdate,
}
_AT_BROKER = [{"$ref": "#/servers/rabbitmq"}]
_BINDING = {"bindingVersion": "0.3.0"}
_ABOUT = f"""\
Sharetally tells every counted job to the topic exchange `{EXCHANGE}`, while `EVENT_FEED` is on: one job per \
message, at least once, in no fixed order between contents. Bind a queue of your own to the routing keys you want, \
or to `#`, and remember `jobId`.

It takes jobs from other services out of the queue `{QUEUE}`, each counted once per `jobId`. What is JSON and no \
valid job is parked with its reason.

At its own address it tells counts as they move, over the WebSocket `/live`.
"""
_ABOUT_QUEUE = """\
Publish to it through the default exchange and name the job in the property `type`. NestJS's envelope \
`{"pattern": "share_created", "data": {…}}` is understood too; then the pattern names the job. At most 60 KiB.
"""
_HEADERS = {
    "type": "object",
    "properties": {
        "traceparent": {
            "type": "string",
            "description": "W3C Trace Context, where traces are on.",
            "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}",
        },
        "tracestate": {"type": "string"},
    },
}


def document(server: str) -> dict[str, Any]:
    """The whole document; `server` is the address or path of this service."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Sharetally",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"rabbitmq": _SERVER, "live": live_server(server)},
        "channels": {
            **{_camel(job): _feed_channel(job) for job in FEED_JOBS},
            "in": _inbound_channel(),
            "live": live_channel(),
        },
        "operations": {
            **{f"tell{_title(job)}": _send_operation(job) for job in FEED_JOBS},
            **{f"take{_title(job)}": _receive_operation(job) for job in INBOUND},
            **live_operations(),
        },
        "components": {
            "messages": {
                **{_camel(job): _feed_message(job) for job in FEED_JOBS},
                **{f"external{_title(job)}": _inbound_message(job) for job in INBOUND},
                **live_messages(),
            },
            "schemas": _schemas(),
        },
    }


_SERVER = {
    "host": "{broker}",
    "protocol": "amqp",
    "protocolVersion": "0.9.1",
    "description": "The RabbitMQ that BROKER_URL names.",
    "variables": {"broker": {"default": "localhost:5672", "description": "Host and port; ask whoever runs it."}},
}


def _title(job: str) -> str:
    return "".join(word.capitalize() for word in job.split("_"))


def _camel(job: str) -> str:
    name = _title(job)
    return name[:1].lower() + name[1:]


# what is told


def _feed_channel(job: str) -> dict[str, Any]:
    exchange = {"name": EXCHANGE, "type": "topic", "durable": True, "autoDelete": False}
    return {
        "address": job,
        "title": job,
        "description": FEED_JOBS[job].__doc__,
        "servers": _AT_BROKER,
        "messages": {_camel(job): _ref("messages", _camel(job))},
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, **_BINDING}},
    }


def _send_operation(job: str) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{_camel(job)}"},
        "summary": f"Tell of a counted `{job}`.",
        "messages": [{"$ref": f"#/channels/{_camel(job)}/messages/{_camel(job)}"}],
        "bindings": {"amqp": {"deliveryMode": 2, "mandatory": False, "timestamp": True, **_BINDING}},
    }


def _feed_message(job: str) -> dict[str, Any]:
    about = "Properties: `message_id` is the `jobId`, `timestamp` that of the job in whole seconds, `type` its name."
    return {
        **_message(job, FEED_JOBS[job].__name__, FEED_EXAMPLES[job]),
        "description": about,
        "x-amqp-properties": {
            "content_type": "application/json",
            "delivery_mode": 2,
            "type": job,
            "message_id": "$message.payload#/jobId",
            "app_id": "sharetally",
        },
    }


# what is taken


def _inbound_channel() -> dict[str, Any]:
    queue = {"name": QUEUE, "durable": True, "exclusive": False, "autoDelete": False}
    names = [f"external{_title(job)}" for job in INBOUND]
    return {
        "address": QUEUE,
        "title": "Jobs from other services",
        "description": _ABOUT_QUEUE,
        "servers": _AT_BROKER,
        "messages": {name: _ref("messages", name) for name in names},
        "bindings": {"amqp": {"is": "queue", "queue": queue, **_BINDING}},
    }


def _receive_operation(job: str) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": "#/channels/in"},
        "summary": f"Count a `{job}` of another service.",
        "messages": [{"$ref": f"#/channels/in/messages/external{_title(job)}"}],
        "bindings": {"amqp": {"ack": True, **_BINDING}},
    }


def _inbound_message(job: str) -> dict[str, Any]:
    return _message(job, INBOUND[job].__name__, INBOUND_EXAMPLES[job])


# both


def _message(job: str, schema: str, example: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": job,
        "title": job,
        "contentType": "application/json",
        "headers": _HEADERS,
        "payload": _ref("schemas", schema),
        "bindings": {"amqp": {"messageType": job, **_BINDING}},
        "examples": [{"name": job, "payload": example}],
    }


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _schemas() -> dict[str, Any]:
    kinds = [*FEED_JOBS.values(), ExternalShare, ExternalCountUpdate, *TYPES]
    _, found = msgspec.json.schema_components(kinds, ref_template=REF)
    return {**as_json_schema(found), **SCHEMAS}
