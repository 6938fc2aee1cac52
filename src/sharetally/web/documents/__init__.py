"""The API as documents: OpenAPI, its reading form, AsyncAPI."""
