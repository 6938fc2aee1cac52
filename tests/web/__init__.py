"""Tests of the web layer, one file for each of its files."""
