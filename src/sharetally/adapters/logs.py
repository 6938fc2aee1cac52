from __future__ import annotations
def configure(level, format): pass
