"""What the ports are made of: databases, brokers, caches, platforms. Only `wiring.py` names them."""
