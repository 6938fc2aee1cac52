"""API keys over HTTP: routes, bodies and handlers."""
