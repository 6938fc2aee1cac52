"""The users, content items and channels of a load, chosen by a seeded random generator.

One video is hot; ten thousand other content items are not. Some ids differ only by case, by a space at the end or by
an accent, so that every inexact comparison is found.
"""

from __future__ import annotations

from random import Random

from tests.oracle.expected import Content

PLATFORMS = ("twitter", "whatsapp", "facebook", "linkedin")
HOT: Content = ("video", "hot")
COLD_CONTENTS = 10_000
PARTS = 16  # that they are divided into, for as many crews
HOT_RATIO = 0.35  # of what is about a content is about the hot one
USERS = 6  # of each client
_CHANNELS = ("", "newsletter", "Newsletter", "twitter", "Partner.A-1")
_CAMPAIGNS = ("", "spring", "SPRING", "summer_26")
_IDS = ("item-{}", "ITEM-{}", "item-{} ", "itém-{}")


def cold_content(number: int) -> Content:
    """One of the ten thousand."""
    return ("video", "article")[number % 2], _IDS[number // 2 % len(_IDS)].format(number // 8)


class Contents:
    """The content items of one part of a load: all parts share the hot one, each has its own others."""

    def __init__(self, *, part: int = 0, parts: int = 1) -> None:
        self._size = COLD_CONTENTS // parts
        self._first = part * self._size

    def random_content(self, random: Random) -> Content:
        """Often the hot one."""
        return HOT if random.random() < HOT_RATIO else self.random_cold(random, self._size)

    def random_cold(self, random: Random, among: int) -> Content:
        """One of the first so many."""
        return cold_content(self._first + random.randrange(among))


def random_platforms(random: Random) -> list[str]:
    """One to four, in any order."""
    return random.sample(PLATFORMS, random.randint(1, len(PLATFORMS)))


def random_channel(random: Random) -> str:
    """A channel, or none."""
    return random.choice(_CHANNELS)


def random_campaign(random: Random) -> str:
    """A campaign, or none."""
    return random.choice(_CAMPAIGNS)


def users_of(client: int) -> list[str]:
    """The users that only this client speaks for."""
    return [f"{name}-{client}" for name in ("ann", "Ann", "ANN", "änn", "bob", "bob ")][:USERS]
