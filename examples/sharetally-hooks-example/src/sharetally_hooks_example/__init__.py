"""Hooks and a platform for Sharetally."""
