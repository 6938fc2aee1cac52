"""What a client may want, one file per thing: the request, what the contract answers, and what then stands.

A wish is made against what stands (`Expected`) at the moment before it is sent. `Write` and `Read` in `operation.py`
are the two shapes; `share`, `link` and `correct` write, `read` reads.
"""
