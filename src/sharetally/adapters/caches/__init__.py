"""The caches of counts by content: in memory, in Redis, or none; the contract is `ports/cache.py`."""
