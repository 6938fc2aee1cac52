"""The use cases over the ORM: one session and one transaction each; events are published after the commit."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_urlsafe

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bench.control.events import Events, of_link, of_record
from bench.control.models import ShareCount, ShareLink, VideoShareAudit, VideoShareRecord
from bench.control.schemas import LinkRequest, ShareResult

Sessions = async_sessionmaker[AsyncSession]


async def share(
    sessions: Sessions, events: Events, video_id: str, user_id: str, platforms: Sequence[str]
) -> list[ShareResult]:
    """Record new shares; a double click that loses the race reads again."""
    try:
        made, results = await _recorded(sessions, video_id, user_id, platforms)
    except IntegrityError:
        made, results = await _recorded(sessions, video_id, user_id, platforms)
    await events.send(map(of_record, made))
    return results


async def _recorded(
    sessions: Sessions, video_id: str, user_id: str, platforms: Sequence[str]
) -> tuple[list[VideoShareRecord], list[ShareResult]]:
    async with sessions() as session, session.begin():
        there = select(VideoShareRecord).where(
            VideoShareRecord.video_id == video_id,
            VideoShareRecord.user_id == user_id,
            VideoShareRecord.platform.in_(platforms),
        )
        found = {record.platform for record in await session.scalars(there)}
        made = [
            VideoShareRecord(video_id=video_id, platform=platform, user_id=user_id)
            for platform in platforms
            if platform not in found
        ]
        session.add_all(made)
        await session.flush()
        session.add_all(map(_audit, made))
    results = [
        ShareResult(platform=platform, status="success", alreadyShared=platform in found) for platform in platforms
    ]
    return made, results


def _audit(record: VideoShareRecord) -> VideoShareAudit:
    return VideoShareAudit(
        record_id=record.id,
        video_id=record.video_id,
        platform=record.platform,
        user_id=record.user_id,
        status=record.status,
    )


async def create_link(sessions: Sessions, events: Events, user_id: str, wanted: LinkRequest) -> ShareLink:
    """Store the share, then publish its event."""
    link = ShareLink(
        code=token_urlsafe(8),
        content_type=wanted.contentType,
        content_id=wanted.contentId,
        user_id=user_id,
        channel_id=wanted.channelId,
        campaign_id=wanted.campaignId,
        url=str(wanted.url),
    )
    async with sessions() as session, session.begin():
        session.add(link)
        await session.flush()
        await session.refresh(link, ["created_at"])
    await events.send([of_link(link)])
    return link


async def target(sessions: Sessions, code: str) -> str | None:
    """The target of a link."""
    async with sessions() as session:
        found: str | None = await session.scalar(select(ShareLink.url).where(ShareLink.code == code))
        return found


async def count(sessions: Sessions, content_type: str, content_id: str) -> int:
    """How often a content item was shared."""
    async with sessions() as session:
        found = await session.get(ShareCount, (content_type, content_id))
        return found.share_count if found else 0
