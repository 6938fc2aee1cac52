"""The brokers: they carry jobs within one process or over RabbitMQ; the contract is `ports/broker.py`."""
