"""Matrix for Sharetally: users connect a room, and their shares are posted there."""
