"""What the ports are made of: databases, brokers, caches, platforms. Only the two `wiring` files name them."""
