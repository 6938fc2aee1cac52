"""The documents of the API: OpenAPI, the HTML reference that is made from it, and AsyncAPI."""
