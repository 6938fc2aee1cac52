"""Responses that are stored under an idempotency key, to rows and back."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sharetally.adapters.databases import tables
from sharetally.adapters.databases.driver import Row, RowBatch
from sharetally.ports import IdempotencyKey, StoredResponse

_COLUMNS = (*IdempotencyKey._fields, "request_hash", "status", "headers", "body")


def new_responses(responses: Iterable[tuple[IdempotencyKey, StoredResponse]]) -> RowBatch:
    """Responses to insert; the database adds when."""
    rows = [
        (*key, response.request_hash, response.status, json.dumps(response.headers), response.body)
        for key, response in responses
    ]
    return RowBatch(tables.idempotency_keys, _COLUMNS, rows)


def response_of(row: Row) -> tuple[IdempotencyKey, StoredResponse]:
    """The response that is stored under a key."""
    headers = tuple((str(name), str(value)) for name, value in json.loads(row["headers"]))
    response = StoredResponse(request_hash=row["request_hash"], status=row["status"], headers=headers, body=row["body"])
    return IdempotencyKey(caller=row["caller"], key=row["key"]), response
