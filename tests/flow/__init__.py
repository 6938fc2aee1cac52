"""The journey of a share, part by part."""
