"""The journey of a share: committed, published, counted, announced.

sharing, links, adjustments   a request as a command
unit_of_work, committer       all waiting commands as one transaction
hooks                         what others add to it
publisher, relay              on its way to the broker, and again if it got lost
worker, consumers/            each job to its owner
announce, queries             the new count, and who asks for it
parked_events, verification   jobs that cannot succeed; the proof of all counts, and `repairs` where they are off
"""
