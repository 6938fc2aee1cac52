"""What a user has said about one share, and what the record must therefore say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sharetally.domain.post import Post, PostStatus

FOLLOWS_POST = {
    PostStatus.PENDING: {"pending"},
    PostStatus.SENDING: {"pending", "unknown"},  # unknown: it is sent again, to a platform that drops repetitions
    PostStatus.UNKNOWN: {"unknown"},
    PostStatus.FAILED: {"failed"},
    PostStatus.SUCCESS: {"success"},
    PostStatus.CANCELLED: {"withdrawn"},
}


@dataclass(kw_only=True)
class Share:
    """`live`: it counts, whatever becomes of its post. `withdrawn`: it was taken back, and not shared since."""

    live: bool = False
    withdrawn: bool = False

    def statuses(self, newest: Post | None) -> Collection[str]:
        """What the record may say; empty if there must be none."""
        if self.withdrawn:
            return {"withdrawn"}
        if self.live:
            return {"success"}
        return FOLLOWS_POST[newest.status] if newest else ()

    def declare(self, was: Collection[str]) -> None:
        """Say that one has shared; a post that is on its way goes on by itself."""
        if "pending" not in was:
            self.live, self.withdrawn = True, False

    def post(self, *, had_posted: bool) -> None:
        """Ask for a new post, unless it has been posted."""
        self.withdrawn = self.withdrawn and had_posted

    def withdraw(self) -> None:
        """Take it back."""
        self.live, self.withdrawn = False, True

    def observe(self, newest: Post | None) -> None:
        """What is there counts."""
        if newest is not None and newest.status is PostStatus.SUCCESS and not self.withdrawn:
            self.live = True
