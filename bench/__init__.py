"""The benchmark: each row measured against its reference, in turn, in the same run."""
