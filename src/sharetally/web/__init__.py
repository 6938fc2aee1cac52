"""HTTP: the only place that knows methods, paths and status codes. It imports the flow, never the adapters.

The parts, in the order in which a request passes them:

    serving/      the server: connections, processes, and how they end
    app.py        from a request to a handler and back; routing.py finds the endpoint, decoding.py reads query and body
    auth/         who the caller is, and how often they may write
    endpoint.py   what an endpoint and a request are; fields.py and parameters.py have the types that they share
    api/          one package per feature: routes, bodies and handlers side by side; its __init__.py lists them all
    responses.py  what goes back; problems.py renders errors
    live/         counts, sent again whenever they change
    pages/        what people and browsers load: documents, the widget, the console
    documents/    the OpenAPI and AsyncAPI documents
"""
