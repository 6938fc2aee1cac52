"""The addresses of the services, from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass

QUEUE = "share_events"
PLATFORMS = ("twitter", "whatsapp", "facebook", "linkedin")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`pool` is the number of database connections of a process, `prefetch` the number of messages in progress."""

    database_url: str
    amqp_url: str
    jwt_secret: str
    pool: int = 20
    prefetch: int = 50


def from_environment() -> Settings:
    """The settings with which the process was started."""
    names = ("CONTROL_DATABASE_URL", "CONTROL_AMQP_URL", "CONTROL_JWT_SECRET")
    database, amqp, secret = (os.environ[name] for name in names)
    return Settings(database_url=database.replace("://", "+asyncpg://", 1), amqp_url=amqp, jwt_secret=secret)
