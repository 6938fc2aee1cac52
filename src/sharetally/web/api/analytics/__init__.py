"""Analytics over HTTP: routes, bodies and handlers."""
