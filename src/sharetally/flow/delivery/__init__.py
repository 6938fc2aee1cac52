"""Deliveries, which leave for the outside world: claimed by target, attempted under a lease, retried, dead in the end.

A delivery is written in the transaction of its cause (`tx.deliveries.enqueue`). After the commit, a `Nudge` is sent
through the broker. In every worker, one `DeliveryLoop` claims what is due and passes it to the `Handler` of its kind.
"""
