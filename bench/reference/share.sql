-- pgbench: the very rows that one accepted request with two platforms writes, in one transaction.
\set v random(1, 100000)
\set u random(1, 2000000000)
WITH ids AS (
    SELECT gen_random_uuid() AS record, gen_random_uuid() AS audit, gen_random_uuid() AS event, platform
    FROM (VALUES ('twitter'), ('whatsapp')) AS p (platform)
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
