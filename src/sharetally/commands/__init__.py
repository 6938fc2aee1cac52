"""What the short commands do: open what they need, do one thing, say what came of it. One file a subject."""
