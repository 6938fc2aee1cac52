"""The database port: every statement once, and per database only what differs.

`tables` is the schema, `connection` the seven verbs that statements are written in, `store` puts the
parts together; `sqlite`, `postgresql` and `mysql` say how to connect and what they do their own way.
"""
