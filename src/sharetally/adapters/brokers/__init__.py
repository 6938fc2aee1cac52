"""How jobs travel: inside this process, or through RabbitMQ."""
