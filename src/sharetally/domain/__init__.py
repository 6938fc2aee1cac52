"""What a share is: values and rules, standard library only.

Read in this order: content, share, link, adjustment, event, count; errors and backoff beside them.
Nothing here knows a database, a broker or HTTP.
"""
