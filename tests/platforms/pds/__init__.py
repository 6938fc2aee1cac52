"""A real Bluesky server (PDS) with its directory, in two versions, and a user who agrees there without a browser."""
