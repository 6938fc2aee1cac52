from __future__ import annotations
class Health:
    def __init__(self, *a, **k): pass
    def live(self): return {"status":"ok"}
    async def ready(self): return True, {"status":"ok"}
def ops_app(*a, **k): ...
async def serve_ops(*a, **k): ...
