"""Posting on behalf of a user: a delivery of kind `post`, written together with the transition of the record."""
