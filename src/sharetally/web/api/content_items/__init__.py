"""Content items over HTTP: routes, bodies and handlers."""
