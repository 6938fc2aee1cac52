"""Share links over HTTP: routes, bodies and handlers."""
