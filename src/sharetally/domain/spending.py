"""Money that posting costs: what a platform charges, what has been reserved or spent, and how much that may be a day.

Amounts are whole micro-dollars. A day is a UTC day, and a budget begins anew with each one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

DOLLAR = 1_000_000  # micro-dollars


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """What a platform charges for a post and for what follows from it; each is the most that one call can cost."""

    post: int = 0
    look: int = 0
    delete: int = 0


FREE = Costs()


class Charge(NamedTuple):
    """An amount that a user has reserved or spent on a platform on one day, like `2026-12-01`."""

    platform: str
    day: str
    user_id: str
    amount: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """How much may be spent on a platform in a day, by everybody and by each user; `per_user` None sets no limit."""

    total: int
    per_user: int | None = None

    def __str__(self) -> str:
        """As it is written in the settings, in dollars."""
        return dollars(self.total) if self.per_user is None else f"{dollars(self.total)},{dollars(self.per_user)}"


class BudgetScope(StrEnum):
    """Whose budget a charge exceeds."""

    TOTAL = "total"
    USER = "user"


class DaySpending(NamedTuple):
    """What has been reserved or spent in one day, and how much of it for posts of which nobody knows yet."""

    spent: int
    unknown: int


class PlatformSpending(NamedTuple):
    """What a platform has cost in the current day, of which budget, and when the next day begins."""

    platform: str
    budget: Budget
    day: DaySpending
    renewed_at: datetime


def dollars(amount: int) -> str:
    """An amount in dollars, like `0.015`."""
    return f"{(Decimal(amount) / DOLLAR).normalize():f}"


def day_of(now: datetime) -> str:
    """The UTC day of a time."""
    return now.astimezone(UTC).date().isoformat()


def end_of(day: str) -> datetime:
    """When the next day begins."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)
