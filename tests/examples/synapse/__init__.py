"""A real Matrix homeserver, Synapse, with users and rooms. It is under the AGPL and runs as a program of its own."""
