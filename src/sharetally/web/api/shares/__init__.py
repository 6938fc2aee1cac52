"""Shares over HTTP: routes, bodies and handlers."""
