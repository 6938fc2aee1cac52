"""What goes in and out, as types."""
