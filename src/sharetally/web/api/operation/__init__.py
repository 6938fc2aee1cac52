"""Operation over HTTP: routes, bodies and handlers."""
