"""Events sent to RabbitMQ: one message each, persistent and confirmed; failures are logged and break nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import uuid4

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractExchange, AbstractRobustChannel, AbstractRobustQueue

from bench.control.models import ShareLink, VideoShareRecord
from bench.control.schemas import ShareCreatedJob
from bench.control.settings import QUEUE

log = logging.getLogger("control")


async def declare_exchange(channel: AbstractRobustChannel) -> AbstractRobustQueue:
    """The queue, as durable as Sharetally's."""
    return await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})


class Events:
    """Publishes the events of the service."""

    def __init__(self, exchange: AbstractExchange) -> None:
        self._exchange = exchange

    async def send(self, jobs: Iterable[ShareCreatedJob]) -> None:
        """Publish each event; the confirms are awaited together."""
        try:
            await asyncio.gather(*(self._publish(job) for job in jobs))
        except Exception:  # the requirement document says that queue errors must not break the main flow
            log.exception("not sent")

    async def _publish(self, job: ShareCreatedJob) -> None:
        body = job.model_dump_json().encode()
        message = Message(body, content_type="application/json", delivery_mode=DeliveryMode.PERSISTENT)
        await self._exchange.publish(message, routing_key=QUEUE)


def of_record(record: VideoShareRecord) -> ShareCreatedJob:
    """A video was shared on a platform."""
    return ShareCreatedJob(
        jobId=str(uuid4()),
        shareId=str(record.id),
        contentType="video",
        contentId=record.video_id,
        userId=record.user_id,
        channelId=record.platform,
        timestamp=datetime.now(UTC),
    )


def of_link(link: ShareLink) -> ShareCreatedJob:
    """A link was created."""
    return ShareCreatedJob(
        jobId=str(uuid4()),
        shareId=str(link.id),
        contentType=link.content_type,
        contentId=link.content_id,
        userId=link.user_id,
        channelId=link.channel_id,
        campaignId=link.campaign_id,
        timestamp=datetime.now(UTC),
    )
