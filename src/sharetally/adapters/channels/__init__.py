"""The channels: they announce counted batches to every process; the contract is `ports/channel.py`."""
