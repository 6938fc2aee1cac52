"""`mastodon_mock`, a Mastodon server that others wrote. It is under the MIT licence and is a program of its own."""
