-- name: record
-- Seconds-grained marks of channels. $1 channels, $2 last received or null, $3 refusals to add: arrays.
INSERT INTO channel_health AS h (channel_id, last_received_at, refused)
SELECT c.id, r.received_at, r.refused
FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[]) AS r (channel_id, received_at, refused)
JOIN channel AS c ON c.id = r.channel_id
ORDER BY c.id
ON CONFLICT (channel_id) DO UPDATE
SET last_received_at = greatest(h.last_received_at, excluded.last_received_at),
    refused = h.refused + excluded.refused,
    silent_since = CASE WHEN excluded.last_received_at IS NULL THEN h.silent_since END

-- name: refusals
-- $1 channel, $2 at, $3 status, $4 reason, $5 request, $6 body: arrays.
INSERT INTO channel_refusal (channel_id, at, status, reason, request, body)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::smallint[], $4::text[], $5::jsonb[], $6::bytea[])

-- name: trim
-- Keeps the newest $2 refusals of each of the channels $1.
DELETE FROM channel_refusal AS r
USING unnest($1::uuid[]) AS c (id)
WHERE r.channel_id = c.id AND r.id NOT IN (
    SELECT n.id FROM channel_refusal AS n WHERE n.channel_id = c.id ORDER BY n.at DESC, n.id DESC LIMIT $2
)

-- name: silent
-- Channels that have been silent longer than they should. $1 channels, $2 their limits in seconds. Returns the newly so.
UPDATE channel_health AS h SET silent_since = now()
FROM unnest($1::uuid[], $2::int[]) AS s (channel_id, after_s)
WHERE h.channel_id = s.channel_id AND h.silent_since IS NULL
  AND h.last_received_at < now() - make_interval(secs => s.after_s)
RETURNING h.channel_id, h.last_received_at
