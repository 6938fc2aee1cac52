"""Faithful fakes of services that cannot run here: real HTTP servers on the loopback, with real error bodies."""
