"""What several endpoints take in their path or body: content items and ids.

The types of the paths do not check their values; the properties do, with errors that name the field.
"""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID

from sharetally.domain.content import MAX_ID, MAX_TYPE, ContentRef, content_type_fault, id_fault
from sharetally.domain.errors import InvalidRequest, NotFound
from sharetally.web.fields import ContentType, Id, RequestModel, Uuid


class VideoPath(RequestModel, frozen=True, kw_only=False, rename="camel"):
    """`/videos/{videoId}`: a content item of type `video`."""

    video_id: Id

    @property
    def content(self) -> ContentRef:
        """The content item; `InvalidRequest` if the id is none."""
        return validated_content("video", self.video_id, id_name="videoId")


class ContentPath(RequestModel, frozen=True, kw_only=False, rename="camel"):
    """`/{contentType}/{contentId}`: any content item."""

    content_type: ContentType
    content_id: Id

    @property
    def content(self) -> ContentRef:
        """The content item; `InvalidRequest` if the type or the id is none."""
        return validated_content(self.content_type, self.content_id)


class IdPath(RequestModel, frozen=True, kw_only=False):
    """`/{id}`: whatever the endpoint identifies by a UUID."""

    id: Uuid

    @property
    def uuid(self) -> UUID:
        """The id; `NotFound` if it is none, because nothing has such an id."""
        return parse_path_id(self.id)


def parse_path_id(text: str, missing: str = "there is nothing with this id") -> UUID:
    """The UUID; `NotFound` if the text is none."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(missing) from None


def validated_content(kind: str, name: str, *, within: str = "", id_name: str = "contentId") -> ContentRef:
    """The content item; `InvalidRequest` names what is wrong. `within` is the place of both parts in the body."""
    if len(kind) <= MAX_TYPE and len(name) <= MAX_ID and (valid := _valid_content(kind, name)):
        return valid
    faults = [(f"{within}contentType", content_type_fault(kind)), (f"{within}{id_name}", id_fault(name))]
    raise InvalidRequest(*((where, fault) for where, fault in faults if fault))


@lru_cache(maxsize=4096)
def _valid_content(kind: str, name: str) -> ContentRef | None:
    return None if content_type_fault(kind) or id_fault(name) else ContentRef(type=kind, id=name)
