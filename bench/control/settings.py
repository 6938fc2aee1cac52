"""Where things are, from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass

QUEUE = "share_events"
PLATFORMS = ("twitter", "whatsapp", "facebook", "linkedin")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`pool` is how many connections to the database a process has, `prefetch` how many messages are at work."""

    database_url: str
    amqp_url: str
    jwt_secret: str
    pool: int = 20
    prefetch: int = 50


def from_environment() -> Settings:
    """What the process was started with."""
    names = ("CONTROL_DATABASE_URL", "CONTROL_AMQP_URL", "CONTROL_JWT_SECRET")
    database, amqp, secret = (os.environ[name] for name in names)
    return Settings(database_url=database.replace("://", "+asyncpg://", 1), amqp_url=amqp, jwt_secret=secret)
