"""One suite for each port, run for every adapter that implements the port."""
