"""How the private servers are configured: as an experienced operator would configure them, with durability on.

The same servers carry Sharetally, the limits and the usual way, so that none of them is measured on a
configuration of its own. Memory is a quarter of the machine's; everything that could lose an answered write
(fsync, synchronous_commit, full_page_writes, the doublewrite buffer) is as the maker ships it: on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

MEBIBYTE = 1024 * 1024


def memory() -> int:
    """What a database may keep in memory, in MiB."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MEBIBYTE
    return max(128, min(4096, whole // 4))


def postgresql() -> Mapping[str, str]:
    """A checkpoint in the middle of a measurement is a matter of luck, so they are seldom."""
    return {
        "shared_buffers": f"{memory()}MB",
        "effective_cache_size": f"{2 * memory()}MB",
        "work_mem": "32MB",
        "maintenance_work_mem": "512MB",
        "max_connections": "200",
        "max_wal_size": "16GB",
        "checkpoint_timeout": "30min",
        "wal_buffers": "64MB",
        "random_page_cost": "1.1",
        "jit": "off",
    }


def mariadb() -> Mapping[str, str]:
    """Each commit is flushed; there is no binary log, because there is no replica."""
    return {
        "innodb-buffer-pool-size": f"{memory()}M",
        "innodb-log-file-size": "4G",
        "innodb-flush-log-at-trx-commit": "1",
        "innodb-flush-method": "O_DIRECT",
        "max-connections": "200",
    }
