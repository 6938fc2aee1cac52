"""The fields and base classes that several bodies share: each rule once, checked by the decoder and shown in OpenAPI.

What the decoder cannot explain in helpful words (ids, hosts, control characters) is only described here, and the
handlers check it. A pattern that the decoder checks ends in `\\Z`, because Python's `$` accepts a trailing line break;
the OpenAPI document shows it as the `$` of JSON Schema.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

CONTENT_TYPE = "[a-z][a-z0-9_-]{0,31}"
LABEL = "[A-Za-z0-9_.-]{1,64}"
ID = r"^[^/\u0000-\u001f\u007f-\u009f]+$"
LINE = r"^[^\u0000-\u001f\u007f-\u009f]*$"
PROSE = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"
ABOUT_ID = "1 to 128 code points, no control characters, no `/`, not `.` or `..`; compared exactly."


class RequestModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body or query that takes no field it does not know."""


class ResponseModel(msgspec.Struct, frozen=True, kw_only=True):
    """An answer."""


# what comes in

ContentType = Annotated[
    str,
    Meta(
        pattern=rf"^{CONTENT_TYPE}\Z",
        description="The kind of content, like `video`.",
        examples=["video"],
    ),
]
Id = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        description=ABOUT_ID,
        examples=["dQw4w9WgXcQ"],
        extra_json_schema={"pattern": ID, "not": {"enum": [".", ".."]}},
    ),
]
UserId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        description=f"{ABOUT_ID} Does not start with `key:` or `erased:`.",
        examples=["user-42"],
        extra_json_schema={"pattern": ID, "not": {"pattern": r"^(key:|erased:|\.{1,2}$)"}},
    ),
]
Label = Annotated[
    str,
    Meta(
        pattern=rf"^{LABEL}\Z",
        description="A channel or campaign; `none` means none.",
        examples=["newsletter"],
    ),
]
Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2048,
        description="http(s), on a host of LINK_HOSTS, without user name and password.",
        examples=["https://www.youtube.com/watch?v=dQw4w9WgXcQ"],
        extra_json_schema={"format": "uri", "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s\\]+$"},
    ),
]
OffsetDateTime = Annotated[
    datetime,
    Meta(
        tz=True,
        description="RFC 3339 with its offset, from 1970 to 9999.",
        examples=["2027-01-01T00:00:00Z"],
        extra_json_schema={"pattern": "^(19[7-9]|[2-9][0-9]{2})[0-9]-"},
    ),
]
PlatformName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        description="From `GET /platforms`, `native` or `copy`; case and spaces do not matter, `x` is `twitter`.",
        examples=["twitter"],
    ),
]

WebUrl = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2048,
        description="http(s), without user name and password.",
        examples=["https://shop.example/articles/123"],
        extra_json_schema={"format": "uri", "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s\\]+$"},
    ),
]

# what goes out

Uuid = Annotated[str, Meta(extra_json_schema={"format": "uuid"}, examples=["0199e3f2-7c1a-7b2e-9f00-5d8c6b1a2e3f"])]
UtcDateTime = Annotated[datetime, Meta(description="RFC 3339, UTC.", examples=["2026-11-20T12:34:56.123456Z"])]
LocalDateTime = Annotated[
    datetime,
    Meta(description="RFC 3339, with the offset of the asked time zone.", examples=["2026-11-20T00:00:00+01:00"]),
]
ShareCount = Annotated[int, Meta(ge=0, examples=[42])]
UriReference = Annotated[str, Meta(extra_json_schema={"format": "uri-reference"})]
Status = Literal["pending", "sending", "success", "failed", "unknown", "withdrawn"]
LiveStatus = Literal["pending", "sending", "success", "failed", "unknown"]
Evidence = Literal["anonymous", "declared", "posted"]


class ErrorBody(ResponseModel, frozen=True):
    """Why a share failed."""

    code: Annotated[str, Meta(examples=["rejected"])]
    message: Annotated[str, Meta(examples=["The platform said no."])]
