"""Connected accounts over HTTP: routes, bodies and handlers; the platforms' callbacks are in `pages/connecting.py`."""
