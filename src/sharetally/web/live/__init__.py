"""Live counts: sent to clients whenever they change, over a WebSocket or as Server-Sent Events."""
