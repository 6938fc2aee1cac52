"""Traces: what they show of a share on its way, and that there are none while tracing is off."""
