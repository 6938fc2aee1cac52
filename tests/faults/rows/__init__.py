"""One file per row; each defines `ROW`."""
