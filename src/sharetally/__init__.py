"""Sharetally: every share, counted exactly once, and provably so while it runs.

The journey of a share, in the order of the files:

    web/api/shares/handlers.py  a request comes in
    flow/sharing.py          what a share may do; it becomes a command
    flow/share_commands.py   what the command does to a record, by the table in domain/share.py
    flow/committer.py        all waiting wishes, one transaction: record, audit, event
    flow/publisher.py        the events go to the broker; flow/relay.py sends what got lost
    flow/worker.py           takes them out again, in batches
    flow/consumers/count.py  burns each event and moves its count, in one transaction
    flow/announce.py         the new count goes to the cache and the channel; flow/queries.py answers with it
    flow/live.py             every page that follows the content sees it move
"""

__version__ = "0.1.0"
