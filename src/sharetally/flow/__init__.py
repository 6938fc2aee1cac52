"""The journey of a share: committed, published, counted, announced.

sharing, linking, adjusting   a request as a wish
batch, committer              all waiting wishes as one transaction
hooks                         what others add to it
publisher, relay              on its way to the broker, and again if it got lost
worker, consumers/            each job to its owner
announce, queries             the new count, and who asks for it
dead, proving                 what was set aside; the look that proves the rest
"""
