"""The audit over HTTP: routes, bodies and handlers."""
