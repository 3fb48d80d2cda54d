-- name: keep
-- $1 channel_id, $2 ref, $3 n, $4 of, $5 entry_id, $6 item: arrays. A piece told twice counts once.
INSERT INTO part_buffer (channel_id, ref, n, "of", entry_id, item)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::bigint[], $6::jsonb[])
ON CONFLICT (channel_id, ref, n) DO NOTHING

-- name: complete
-- The pieces, in order, of those messages that are complete or waited for no longer. $1 channel_id, $2 ref: arrays.
SELECT b.channel_id, b.ref, b.n, b.item
FROM (
    SELECT p.*, count(*) OVER message AS have, max(p."of") OVER message AS want, bool_or(p.given_up) OVER message AS late
    FROM part_buffer AS p
    JOIN unnest($1::uuid[], $2::text[]) AS q (channel_id, ref) ON q.channel_id = p.channel_id AND q.ref = p.ref
    WINDOW message AS (PARTITION BY p.channel_id, p.ref)
) AS b
WHERE b.have >= b.want OR b.late
ORDER BY b.channel_id, b.ref, b.n

-- name: drop
-- $1 channel_id, $2 ref: arrays.
DELETE FROM part_buffer AS p
USING unnest($1::uuid[], $2::text[]) AS q (channel_id, ref)
WHERE q.channel_id = p.channel_id AND q.ref = p.ref

-- name: give_up
-- Messages with a piece that waits longer than $1 seconds: one entry of each, to be processed once more.
WITH late AS (
    UPDATE part_buffer SET given_up = true
    WHERE at < now() - make_interval(secs => $1) AND NOT given_up
    RETURNING channel_id, ref, entry_id
)
SELECT max(entry_id) AS entry_id FROM late GROUP BY channel_id, ref
