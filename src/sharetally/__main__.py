"""`python -m sharetally`, and the program `sharetally`."""

from __future__ import annotations

from sharetally.cli import main

if __name__ == "__main__":
    main()
