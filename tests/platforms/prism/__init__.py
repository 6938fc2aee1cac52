"""Prism, which checks what travels between a client and a server against an OpenAPI description."""
