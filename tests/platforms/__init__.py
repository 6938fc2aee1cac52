"""The platforms to which the service posts, each against a fake of its published API."""
