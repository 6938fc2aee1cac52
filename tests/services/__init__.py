"""The real services that tests, benchmarks and load programs run on.

`open_services` finds all four once; `fresh_postgresql`, `fresh_mysql`, `fresh_amqp` and `fresh_redis` give
something of one's own on them: empty at the start, gone at the end, also after a failure. Without an argument
each finds its server by itself.

Found are, in this order: the one that SHARETALLY_TEST_<NAME>_URL names, the one on the standard local port, a
private one started from an installed program, and, as root on Debian, a private one after installing it. Only
processes started here are ended here.
"""

from tests.services.find import Services, open_services
from tests.services.mysql import fresh_mysql, private_mysql
from tests.services.postgresql import fresh_postgresql, private_postgresql
from tests.services.redis import fresh_redis
from tests.services.virtual_hosts import VirtualHosts, evaluate, fresh_amqp, open_virtual_hosts

__all__ = [
    "Services",
    "VirtualHosts",
    "evaluate",
    "fresh_amqp",
    "fresh_mysql",
    "fresh_postgresql",
    "fresh_redis",
    "open_services",
    "open_virtual_hosts",
    "private_mysql",
    "private_postgresql",
]
