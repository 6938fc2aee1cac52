"""Sharetally: every share, counted exactly once, and provably so while it runs.

The journey of a share, in the order of the files:

    web/endpoints/shares.py  a request comes in and becomes a wish
    flow/sharing.py          what the wish does to a record, by the table in domain/share.py
    flow/committer.py        all waiting wishes, one transaction: record, audit, event
    flow/publisher.py        the events go to the broker; flow/relay.py sends what got lost
    flow/worker.py           takes them out again, in batches
    flow/consumers/count.py  burns each event and moves its count, in one transaction
    flow/announce.py         the new count goes to the cache and the channel; flow/queries.py answers with it
    flow/live.py             every page that follows the content sees it move
"""

__version__ = "0.1.0"
