"""Rules that the code base keeps about itself."""
