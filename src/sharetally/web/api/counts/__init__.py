"""Counts over HTTP: routes, bodies and handlers."""
