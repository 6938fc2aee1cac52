"""Sharetally: every share is counted exactly once, and this can be proved while the service runs.

The journey of a share, in the order of the files that it runs through, with SQLite and the broker in memory. Not listed
is what stands at the end of a call and does what its name says (ids, clocks, metrics). Two transactions matter: one
writes the share with its event, the other deletes the event and counts it. docs/explanation/the-token.md says why that
is exact, and what happens after a crash at any point.

    asgi.py                             the ASGI application
    web/app.py                          from a request to a response, step by step; it calls the next six
    web/routing.py                      finds the endpoint by the path
    web/endpoint.py                     what is known of an endpoint, and what its handler gets: a typed request
    web/auth/authenticator.py           finds the caller by the credential
    web/auth/tokens.py                  verifies a token; domain/expiring.py keeps it for five minutes
    web/auth/quota.py                   limits the writes of each user
    web/parameters.py                   the content item that the path names, checked
    web/api/shares/handlers.py          translates the request, and the outcome into a response
    flow/sharing.py                     decides what a share may do, and makes it a command
    flow/platforms.py                   which platforms are allowed; adapters/platforms/twitter/__init__.py is one
    flow/committer.py                   all waiting commands become one transaction, which begins and ends here
    flow/share_commands.py              the command: it changes a user's record by the table in domain/share.py
    domain/share.py                     the table: from which status a trigger leads where, and what that counts
    flow/unit_of_work.py                the rows of that transaction in memory: record, audit, event
    adapters/databases/ledger.py        locks these rows and writes them
    adapters/databases/mapping.py       how record, audit and event become tuples, in the order of their columns
    adapters/databases/connection.py    BEGIN and COMMIT, and the statements of all databases
    adapters/databases/sqlite.py        the driver: here the share is written
    flow/publisher.py                   the events of a commit go to the broker; flow/relay.py sends again what got lost
    adapters/brokers/memory.py          the broker
    flow/worker.py                      takes jobs from the broker, in batches
    flow/counting/count.py              the second transaction: burns each event and moves its count
    domain/count.py                     how a batch of events becomes one change per content item
    adapters/databases/counting.py      folds the events like that and writes the changes: here the share is counted

After that, flow/counting/announce.py puts the new count into the cache and the channel. flow/live.py takes it from
there, flow/subscriptions.py passes it to every page that follows the content item, and web/live/websocket.py sends it.
flow/queries.py answers whoever asks for the count.
"""

__version__ = "0.1.0"
