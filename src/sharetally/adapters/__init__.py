"""Implementations of the ports: databases, brokers, caches, platforms. Only the `wiring` files import these classes."""
