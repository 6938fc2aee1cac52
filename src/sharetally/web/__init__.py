"""HTTP: the only place that knows methods, paths and status codes. Imports the flow, never the adapters."""
