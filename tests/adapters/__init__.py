"""Tests of adapters that no contract suite covers: metrics and logs."""
