"""The database port: every statement exists once, and each database contributes only what differs.

`tables` is the schema. `connection` holds the verbs in which statements are written; `sqlite`, `postgresql` and `mysql`
implement them. `ledger` and `counting` are the transaction, `stores` has one store per feature, and `database` puts all
of it together over one engine.
"""
