"""A demo that posts: Sharetally next to a real Bluesky server, both on this machine alone, and gone when it ends."""
