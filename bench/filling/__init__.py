"""Ledgers that are filled before anything is measured: many counted records, created by set-based SQL.

The records look as if they had been shared and counted long ago, so `sharetally verify` finds no drift.
"""
