"""HTTP: the only place that knows methods, paths and status codes. Imports the flow, never the adapters.

A request, in the order of the rooms:

    serving/    the server: connections, processes, and how they end
    app.py      from a request to an endpoint and back; table.py names all of them
    auth/       who asks, and how often they may
    schemas/    what goes in and out, as types; decoding.py reads it, responses.py and problems.py say it
    endpoints/  what each path does, by what services.py holds
    live/       counts as they move
    documents/  the API described
"""
