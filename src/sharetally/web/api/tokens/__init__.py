"""Tokens over HTTP: routes, bodies and handlers."""
