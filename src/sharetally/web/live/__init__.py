"""Counts as they move: over a WebSocket, and as a stream of events."""
