"""What leaves for the outside world: claimed by target, attempted under a lease, retried, and dead at last.

A delivery is written in the transaction of its cause (`tx.deliveries.enqueue`). After the commit a `Nudge` travels
through the broker. In every worker one `DeliveryLoop` claims what is due and hands each to the `Handler` of its kind.
"""
