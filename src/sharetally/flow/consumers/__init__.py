"""One file per reaction to an event, each the only owner of its jobs."""
