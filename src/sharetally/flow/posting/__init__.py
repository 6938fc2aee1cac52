"""Posting to a platform on a user's behalf: a delivery of kind `post`, written with the record's transition."""
