"""What operators need to know about posting to a platform: what a post costs, and how long a version of its API lives.

The facts were read on 30 November 2026, each at the page that is named beside it. `sharetally doctor` shows them, and
docs/how-to/post-to-platforms.md has them in detail.
"""

from __future__ import annotations

from datetime import date

FREE = "free"
COSTS = {
    "bluesky": FREE,  # docs.bsky.app, get started
    "facebook": FREE,  # developers.facebook.com, Pages API
    "linkedin": FREE,  # learn.microsoft.com, Share on LinkedIn
    "mastodon": FREE,  # docs.joinmastodon.org, client
    "threads": FREE,  # developers.facebook.com, Threads API
    "twitter": "$0.200 with an address, as every post of this service has one",  # docs.x.com, pricing
}

# developers.facebook.com, Graph API, changelog, versions: a version ends two years after the following one appears
FACEBOOK_ENDS = {
    20: date(2026, 9, 24),
    21: date(2027, 1, 21),
    22: date(2027, 5, 20),
    23: date(2027, 10, 8),
    24: date(2028, 2, 18),
    25: date(2028, 7, 29),
}


def linkedin_end(version: str) -> date:
    """The earliest day on which a version like `202609` may end.

    Each is answered for at least a year, and those whose end is announced end on the 15th or some days later
    (learn.microsoft.com, LinkedIn marketing API, versioning and migrations).
    """
    return date(int(version[:4]) + 1, int(version[4:]), 15)


def facebook_end(version: str) -> date | None:
    """The day on which a version like `v26.0` ends; None if that is not announced yet."""
    number = int(version.removeprefix("v").partition(".")[0])
    return FACEBOOK_ENDS.get(max(number, min(FACEBOOK_ENDS)))  # whatever is older than these has ended as well
