"""X's own library, as the oracle of our count."""
