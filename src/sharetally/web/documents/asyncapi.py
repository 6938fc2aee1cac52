"""The AsyncAPI 3.0 document: messages sent to `sharetally.events`, received from `sharetally.in`, and those of `/live`.

It is made from the types that are encoded, when it is first requested. The address of the broker is a variable in the
document, because it is not public.
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
While `EVENT_FEED` is on, Sharetally publishes every counted job to the topic exchange `{EXCHANGE}`: one job per \
message, at least once, and in no fixed order between different content items. Bind a queue of your own to the routing \
keys that you want, or to `#`, and use `jobId` to recognise repeated messages.

It receives jobs from other services in the queue `{QUEUE}`, and counts each `jobId` once. A message that is JSON but \
not a valid job is parked with the reason.

At its own address it sends counts to clients whenever they change, over the WebSocket `/live`.
"""
_ABOUT_QUEUE = """\
Publish to this queue through the default exchange, with the name of the job in the property `type`. The envelope of \
NestJS, `{"pattern": "share_created", "data": {…}}`, is accepted too; its pattern is the name of the job. A message \
may have 60 KiB at most.
"""
_HEADERS = {
    "type": "object",
    "properties": {
        "traceparent": {
            "type": "string",
            "description": "W3C Trace Context, if traces are on.",
            "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}",
        },
        "tracestate": {"type": "string"},
    },
}


def document(server: str) -> dict[str, Any]:
    """The document; `server` is the address or the path of this service."""
    payloads = [*FEED_JOBS.values(), ExternalShare, ExternalCountUpdate, *TYPES]
    _, schemas = msgspec.json.schema_components(payloads, ref_template=REF)
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
            **{
                f"tell{_title(job)}": {
                    "action": "send",
                    "channel": {"$ref": f"#/channels/{_camel(job)}"},
                    "summary": f"Publish a counted `{job}`.",
                    "messages": [{"$ref": f"#/channels/{_camel(job)}/messages/{_camel(job)}"}],
                    "bindings": {"amqp": {"deliveryMode": 2, "mandatory": False, "timestamp": True, **_BINDING}},
                }
                for job in FEED_JOBS
            },
            **{
                f"take{_title(job)}": {
                    "action": "receive",
                    "channel": {"$ref": "#/channels/in"},
                    "summary": f"Count a `{job}` from another service.",
                    "messages": [{"$ref": f"#/channels/in/messages/external{_title(job)}"}],
                    "bindings": {"amqp": {"ack": True, **_BINDING}},
                }
                for job in INBOUND
            },
            **live_operations(),
        },
        "components": {
            "messages": {
                **{_camel(job): _feed_message(job) for job in FEED_JOBS},
                **{
                    f"external{_title(job)}": _message(job, kind.__name__, INBOUND_EXAMPLES[job])
                    for job, kind in INBOUND.items()
                },
                **live_messages(),
            },
            "schemas": {**as_json_schema(schemas), **SCHEMAS},
        },
    }


_SERVER = {
    "host": "{broker}",
    "protocol": "amqp",
    "protocolVersion": "0.9.1",
    "description": "The RabbitMQ that BROKER_URL names.",
    "variables": {
        "broker": {"default": "localhost:5672", "description": "Host and port; ask the operator of the broker."}
    },
}


def _title(job: str) -> str:
    return "".join(word.capitalize() for word in job.split("_"))


def _camel(job: str) -> str:
    name = _title(job)
    return name[:1].lower() + name[1:]


# messages that are sent


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


def _feed_message(job: str) -> dict[str, Any]:
    about = "Properties: `message_id` is the `jobId`, `timestamp` is the job's in whole seconds, `type` is its name."
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


# messages that are received


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


# messages in both directions


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
