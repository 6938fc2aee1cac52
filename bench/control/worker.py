"""The worker: one message, one UPDATE, one ack; as many messages in progress as are prefetched."""

from __future__ import annotations

import asyncio
import logging
import signal

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from bench.control.events import declare_exchange
from bench.control.models import ShareCount
from bench.control.schemas import ShareCreatedJob
from bench.control.settings import Settings, from_environment

log = logging.getLogger("control.worker")


class Worker:
    """Counts the events that the service publishes."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions

    async def on_message(self, message: AbstractIncomingMessage) -> None:
        """Count it and ack it; on any error it is requeued, as the document requires."""
        try:
            await self._count(ShareCreatedJob.model_validate_json(message.body))
        except Exception:
            log.exception("requeued")
            await message.nack(requeue=True)
        else:
            await message.ack()

    async def _count(self, job: ShareCreatedJob) -> None:
        async with self._sessions() as session, session.begin():
            key = (ShareCount.content_type == job.contentType, ShareCount.content_id == job.contentId)
            moved = update(ShareCount).where(*key).values(share_count=ShareCount.share_count + job.delta)
            if not (await session.execute(moved)).rowcount:  # type: ignore[attr-defined]
                await session.execute(_first(job))


def _first(job: ShareCreatedJob) -> Insert:
    row = insert(ShareCount).values(content_type=job.contentType, content_id=job.contentId, share_count=job.delta)
    return row.on_conflict_do_update(
        index_elements=[ShareCount.content_type, ShareCount.content_id],
        set_={"share_count": ShareCount.share_count + job.delta},
    )


async def work(settings: Settings) -> None:
    """Count until asked to stop."""
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    engine = create_async_engine(settings.database_url, pool_size=settings.pool, max_overflow=0)
    connection = await aio_pika.connect_robust(settings.amqp_url)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=settings.prefetch)
    queue = await declare_exchange(channel)
    tag = await queue.consume(Worker(async_sessionmaker(engine)).on_message)
    await stop.wait()
    await queue.cancel(tag)
    await connection.close()
    await engine.dispose()


if __name__ == "__main__":
    uvloop.run(work(from_environment()))
