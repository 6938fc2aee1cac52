"""The console over HTTP: routes, bodies and handlers."""
