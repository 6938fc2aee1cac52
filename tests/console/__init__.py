"""The console: its build, and what the service hands out of it; what people do in it is in `tests/browser`."""
