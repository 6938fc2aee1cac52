"""The usual way: the two requirement documents as they are commonly built, and well configured.

FastAPI, SQLAlchemy's ORM over asyncpg, one transaction a request, one message an event, published after the
commit over aio-pika's robust connection, and a worker that does one UPDATE and one ack a message. What an
expert would set is set: uvloop, httptools, two processes, pools, prepared statements (asyncpg's own cache),
publisher confirms awaited together, a quorum queue, prefetch with as many messages at work. It is honest
about what the design costs and has none of the design's faults mended: see `docs/performance.md`.
"""
