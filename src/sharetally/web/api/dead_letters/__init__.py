"""Dead letters over HTTP: routes, bodies and handlers."""
