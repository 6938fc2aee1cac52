"""From an event to a new count: count it, let reactions follow, announce the result."""
