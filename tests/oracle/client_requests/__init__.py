"""The requests of clients, one file per kind: the request, the answers by contract, and the state afterwards.

A request is created for the state (`Expected`) at the moment before it is sent. `WriteOperation` and
`ReadOperation` in `client_request.py` are the two shapes; `share`, `link` and `correct` write, `read` reads.
"""
