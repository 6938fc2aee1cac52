"""The domain: what a share is, as values and rules, with the standard library only.

Read the modules in this order: content, share, link, adjustment, event, count; then errors and backoff.
Nothing here knows about databases, brokers or HTTP.
"""
