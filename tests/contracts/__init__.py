"""One suite a port, run over every adapter that implements it."""
