"""The server under the application: connections, processes, and how they end."""
