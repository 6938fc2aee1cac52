"""What one client does next: a random choice among weighted requests, based on the present state.

It prefers what is interesting: withdrawing what is live, moving existing links, and now and then what must be
rejected. Rows whose state is uncertain are left alone until the judge has checked them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import accumulate
from random import Random
from typing import TypeVar

from tests.oracle import world
from tests.oracle.client_requests.client_request import Operation, WriteOperation
from tests.oracle.client_requests.correct import Correct, CorrectMany
from tests.oracle.client_requests.link import CreateLink, DeleteLink, PatchLink
from tests.oracle.client_requests.read import Exact, Plain, Status
from tests.oracle.client_requests.share import Share, Withdraw
from tests.oracle.expected import Content, Correction, Expected, Link, RecordKey

T = TypeVar("T")
REMEMBERED = 200  # own rows to come back to
TRIES = 20


class Mix:
    """One client's choices. `name` is its own, and begins all its ids."""

    def __init__(self, expected: Expected, random: Random, *, client: int, name: str, contents: world.Contents) -> None:
        self._expected = expected
        self._random = random
        self._users = world.users_of(client)
        self._admin = f"admin-{client}"
        self._name = name
        self._contents = contents
        self._shared: list[RecordKey] = []
        self._links: list[str] = []
        self._corrections: list[str] = []
        self._jobs = 0
        self._versions: dict[Content, int] = {}
        self._blocked: set[Hashable] = set()
        weights: dict[Callable[[], Operation], int] = {
            self._share: 42,
            self._force: 7,
            self._withdraw: 15,
            self._link: 8,
            self._move: 6,
            self._unlink: 4,
            self._correct: 3,
            self._correct_many: 1,
            self._status: 6,
            self._exact: 4,
            self._plain: 4,
        }
        self._draws = list(weights)
        self._weights = list(accumulate(weights.values()))

    def next(self) -> Operation:
        """A request that concerns nothing uncertain."""
        for _ in range(TRIES):
            operation = self._random.choices(self._draws, cum_weights=self._weights)[0]()
            if not operation.keys & self._blocked:
                return operation
        return self._plain()

    def block(self, operation: WriteOperation) -> None:
        """Leave alone what this may have changed."""
        self._blocked |= operation.keys

    def add_link(self, link_id: str) -> None:
        """A link to come back to."""
        _remember(self._links, link_id, self._random)

    def _user(self) -> str:
        return self._random.choice(self._users)

    def _share(self) -> Operation:
        content, user, platforms = (
            self._contents.random_content(self._random),
            self._user(),
            world.random_platforms(self._random),
        )
        for platform in platforms:
            _remember(self._shared, (content, platform, user), self._random)
        by_video = self._by_video(content)
        return Share(self._expected, user=user, content=content, platforms=platforms, by_video=by_video)

    def _force(self) -> Operation:
        if not self._shared:
            return self._share()
        content, platform, user = self._random.choice(self._shared)
        by_video = self._by_video(content)
        return Share(self._expected, user=user, content=content, platforms=[platform], force=True, by_video=by_video)

    def _by_video(self, content: Content) -> bool:
        return content[0] == "video" and self._random.random() < 0.5

    def _withdraw(self) -> Operation:
        content, platform, user = self._random.choice(self._shared or [(world.HOT, "twitter", self._user())])
        by_video = self._by_video(content)
        return Withdraw(self._expected, user=user, content=content, platform=platform, by_video=by_video)

    def _link(self) -> Operation:
        link = Link(
            self._contents.random_content(self._random),
            self._user(),
            world.random_channel(self._random),
            world.random_campaign(self._random),
        )
        return CreateLink(link)

    def _move(self) -> Operation:
        if not self._links:
            return self._link()
        self._jobs += 1
        url = f"https://example.org/moved/{self._name}-{self._jobs}"
        return PatchLink(
            self._expected,
            self._random.choice(self._links),
            channel=world.random_channel(self._random) if self._random.random() < 0.5 else None,
            campaign=world.random_campaign(self._random),
            url=url if self._random.random() < 0.3 else None,
        )

    def _unlink(self) -> Operation:
        return DeleteLink(self._expected, self._random.choice(self._links)) if self._links else self._link()

    def _correct(self) -> Operation:
        if self._corrections and self._random.random() < 0.3:
            job_id = self._random.choice(self._corrections)
            stands = self._expected.corrections.get(job_id)
            if stands is not None:
                other = self._correction() if self._random.random() < 0.5 else stands
                return Correct(self._expected, job_id, other)
        job_id = self._job_id()
        self._corrections.append(job_id)
        return Correct(self._expected, job_id, self._correction())

    def _correct_many(self) -> Operation:
        return CorrectMany({self._job_id(): self._correction() for _ in range(self._random.randint(2, 20))})

    def _correction(self) -> Correction:
        amount = self._random.choice((1, 2, 5, 1_000, -1, -2, -3))
        content = self._contents.random_content(self._random)
        return Correction(
            content, self._admin, amount, world.random_channel(self._random), world.random_campaign(self._random)
        )

    def _job_id(self) -> str:
        self._jobs += 1
        return f"{self._name}-job-{self._jobs}"

    def _status(self) -> Operation:
        content, _, user = self._random.choice(self._shared or [(world.HOT, "twitter", self._user())])
        return Status(self._expected, user=user, content=content, platforms=world.PLATFORMS)

    def _exact(self) -> Operation:
        return Exact(user=self._user(), content=self._contents.random_content(self._random))

    def _plain(self) -> Operation:
        content = world.HOT if self._random.random() < 0.5 else self._contents.random_cold(self._random, 10)
        return Plain(user=self._user(), content=content, versions=self._versions)


def _remember(known: list[T], item: T, random: Random) -> None:
    if len(known) < REMEMBERED:
        known.append(item)
    else:
        known[random.randrange(REMEMBERED)] = item
