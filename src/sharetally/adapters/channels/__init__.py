"""Channels: what tells every process of counted batches; the contract is `ports/channel.py`."""
