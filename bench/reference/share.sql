-- pgbench: the very rows that one accepted request with two platforms writes, in one transaction,
-- with ids in the order of time (UUIDv7), which indexes take best.
\set v random(1, 100000)
\set u random(1, 2000000000)
WITH moment AS (
    SELECT int8send(((extract(epoch FROM clock_timestamp()) * 1000)::bigint << 16) | 28672) AS head
), ids AS (
    SELECT encode(head || int8send(-4611686018427387904 - (random() * 4e18)::bigint), 'hex')::uuid AS record,
           encode(head || int8send(-4611686018427387904 - (random() * 4e18)::bigint), 'hex')::uuid AS audit,
           encode(head || int8send(-4611686018427387904 - (random() * 4e18)::bigint), 'hex')::uuid AS event,
           platform
    FROM moment, (VALUES ('twitter'), ('whatsapp')) AS p (platform)
), records AS (
    INSERT INTO share_records (id, content_type, content_id, platform, user_id, status, evidence, attempt_count,
                               first_shared_at, last_shared_at)
    SELECT record, 'video', 'v' || :v, platform, 'u' || :u, 'success', 'declared', 1, now(), now() FROM ids
    ON CONFLICT DO NOTHING
), audit AS (
    INSERT INTO share_audit (id, at, subject_id, content_type, content_id, user_id, actor, action, platform, status,
                             request_id)
    SELECT audit, now(), record, 'video', 'v' || :v, 'u' || :u, 'u' || :u, 'shared', platform, 'success',
           replace(audit::text, '-', '') FROM ids
)
INSERT INTO events (id, job, content_type, content_id, at, delta, moved, evidence, channel, campaign, platform,
                    share_id, user_id, request_id, payload)
SELECT event, 'share_created', 'video', 'v' || :v, now(), 1, 1, 'declared', platform, '', platform,
       record, 'u' || :u, replace(audit::text, '-', ''), '' FROM ids;
