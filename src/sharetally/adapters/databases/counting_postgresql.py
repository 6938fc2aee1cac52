"""PostgreSQL counts a batch in one statement: no event leaves the database, and no sum is sent back to it.

    held -> burned -> folded -> totals -> cells -> rollups

The statement does what `domain.count.fold` and `SqlCounting` do step by step; a test compares the two. Each step
reads from the step before it, because PostgreSQL promises no other order between them. ON CONFLICT finds a cell
that another counter has created since this statement began, even if the snapshot does not show it.
"""

from __future__ import annotations

from sharetally.adapters.databases.types import MICROS, NOW

# Jobs may lie about everything but their ids: what is counted, and whether it is ours to count, says the row.
_LOCKED = """
SELECT e.id FROM (SELECT DISTINCT id FROM unnest($1::uuid[]) AS u (id) ORDER BY id) AS k CROSS JOIN LATERAL (
    SELECT id, job FROM events WHERE id = k.id AND parked_reason IS NULL LIMIT 1 FOR UPDATE
) AS e WHERE e.job = ANY ($2::text[])
"""
_DELETED = """
DELETE FROM events WHERE id = ANY (ARRAY(SELECT id FROM held))
RETURNING id, request_id, job, content_type, content_id, at, delta, moved, platform,
    evidence, channel, campaign, from_evidence, from_channel, from_campaign
"""
# However many events there are on one content, from here on they are a few rows.
_FOLDED = """
SELECT job, content_type, content_id, platform,
    evidence, channel, campaign, from_evidence, from_channel, from_campaign,
    date_bin('15 minutes', at, TIMESTAMPTZ 'epoch') AS bucket,
    count(*) AS number, sum(delta) AS delta, max(at) FILTER (WHERE delta >= 0) AS last_at,
    sum(moved) AS moved, sum(greatest(moved, 0)) AS made, sum(-least(moved, 0)) AS withdrawn,
    bool_or(moved <> 0) AND evidence IS NOT NULL AS moves
FROM burned GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
"""
_TOTALS = f"""
INSERT INTO share_totals AS t (content_type, content_id, shares, version, changed_at)
SELECT content_type, content_id, sum(delta), (SELECT {MICROS["postgresql"]}), (SELECT {NOW["postgresql"]})
FROM folded GROUP BY 1, 2 HAVING sum(delta) <> 0 OR bool_or(moves) ORDER BY 1, 2
ON CONFLICT (content_type, content_id) DO UPDATE SET shares = t.shares + excluded.shares,
    version = greatest(t.version + 1, excluded.version), changed_at = excluded.changed_at
RETURNING content_type, content_id, shares
"""
_CELLS = """
INSERT INTO share_counts AS t (content_type, content_id, dimension, value, shares, last_at)
SELECT content_type, content_id, dimension, value, sum(shares), coalesce(max(last_at), TIMESTAMPTZ 'epoch')
FROM (SELECT count(*) FROM totals) AS locked, (
    SELECT content_type, content_id, c.* FROM folded, LATERAL (VALUES
        ('evidence', evidence, moved, moves, NULL),
        ('channel', channel, moved, moves, NULL),
        ('campaign', campaign, moved, moves, NULL),
        ('evidence', from_evidence, -moved, moves, NULL),
        ('channel', from_channel, -moved, moves, NULL),
        ('campaign', from_campaign, -moved, moves, NULL),
        ('platform', platform, delta, TRUE, last_at)
    ) AS c (dimension, value, shares, applies, last_at) WHERE value IS NOT NULL AND applies
) AS moved
GROUP BY 1, 2, 3, 4 HAVING sum(shares) <> 0 OR dimension = 'platform' ORDER BY 1, 2, 3, 4
ON CONFLICT (content_type, content_id, dimension, value) DO UPDATE SET
    shares = t.shares + excluded.shares, last_at = greatest(t.last_at, excluded.last_at)
RETURNING 1
"""
_ROLLUPS = """
INSERT INTO share_rollups AS t (content_type, content_id, channel, evidence, bucket, made, withdrawn)
SELECT content_type, content_id, channel, evidence, bucket, sum(made), sum(withdrawn)
FROM (SELECT count(*) FROM cells) AS locked, (
    SELECT content_type, content_id, r.*, bucket FROM folded, LATERAL (VALUES
        (channel, evidence,
         CASE WHEN from_evidence IS NULL THEN made ELSE moved END,
         CASE WHEN from_evidence IS NULL THEN withdrawn ELSE 0 END),
        (from_channel, from_evidence, -moved, 0)
    ) AS r (channel, evidence, made, withdrawn) WHERE r.evidence IS NOT NULL AND moves
) AS moved
GROUP BY 1, 2, 3, 4, 5 HAVING sum(made) <> 0 OR sum(withdrawn) <> 0 ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (content_type, content_id, channel, evidence, bucket) DO UPDATE SET
    made = t.made + excluded.made, withdrawn = t.withdrawn + excluded.withdrawn
"""
_STEPS = f"""
WITH held AS MATERIALIZED ({_LOCKED}), burned AS ({_DELETED}), folded AS MATERIALIZED ({_FOLDED}),
totals AS ({_TOTALS}), cells AS ({_CELLS}), rollups AS ({_ROLLUPS})
"""
_EVENTS_BY_JOB = """
SELECT NULL::uuid AS id, job, NULL AS content_type, NULL AS content_id, NULL AS channel, NULL::timestamptz AS minute,
    NULL AS request_id, sum(number)::bigint AS number FROM folded GROUP BY job
"""
_CONTENT_ITEMS = """
SELECT DISTINCT NULL::uuid, NULL, content_type, content_id, NULL, NULL::timestamptz, NULL, NULL::bigint FROM folded
"""
_SHARES_BY_MINUTE = """
SELECT NULL::uuid, NULL, NULL, NULL, channel, minute, NULL, sum(moved)::bigint FROM (
    SELECT channel, moved, date_bin('1 minute', at, TIMESTAMPTZ 'epoch') AS minute FROM burned
    WHERE moved > 0 AND evidence IS NOT NULL AND from_evidence IS NULL
) AS made GROUP BY channel, minute
"""
# The total of a content item that no event moved was not returned by `totals`, and is read.
_CONTENT_ITEMS_WITH_TOTALS = """
SELECT NULL::uuid, NULL, content_type, content_id, NULL, NULL::timestamptz, NULL, coalesce(totals.shares, (
    SELECT shares FROM share_totals AS t WHERE t.content_type = c.content_type AND t.content_id = c.content_id
)) FROM (SELECT DISTINCT content_type, content_id FROM folded) AS c LEFT JOIN totals USING (content_type, content_id)
"""
_EACH_EVENT = """
SELECT id, job, content_type, content_id, NULL, NULL::timestamptz, request_id, NULL::bigint FROM burned
"""
COUNTING = f"{_STEPS} {_EVENTS_BY_JOB} UNION ALL {_CONTENT_ITEMS} UNION ALL {_SHARES_BY_MINUTE}"
COUNTING_EACH_EVENT = (
    f"{_STEPS} {_EVENTS_BY_JOB} UNION ALL {_CONTENT_ITEMS_WITH_TOTALS} UNION ALL {_SHARES_BY_MINUTE} "
    f"UNION ALL {_EACH_EVENT}"
)
