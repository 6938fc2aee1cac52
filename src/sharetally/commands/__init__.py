"""The short commands, one file per subject: each opens what it needs, does one thing and prints the result."""
