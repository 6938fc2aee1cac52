"""The usual way: the two requirement documents as they are commonly implemented, and well configured.

FastAPI, SQLAlchemy's ORM with asyncpg, one transaction per request, one message per event, published after the
commit over aio-pika's robust connection, and a worker that does one UPDATE and one ack per message. Everything that
an expert would configure is configured: uvloop, httptools, two processes, pools, prepared statements (asyncpg's own
cache), publisher confirms that are awaited together, a quorum queue, and a prefetch with as many messages in
progress. It shows honestly what the design costs, and none of the design's faults is fixed: see
`docs/performance.md`.
"""
