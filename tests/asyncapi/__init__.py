"""The AsyncAPI document against its official schema, and against what really goes over RabbitMQ and `/live`."""
