"""The two systems that take shares and count them, with the same questions to both."""
