"""Ledgers that are full before anything is measured: many records, each counted, made by set-based SQL.

What is filled in is as if it had been shared and counted long ago, so `sharetally verify` finds no drift.
"""
