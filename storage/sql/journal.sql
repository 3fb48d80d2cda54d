-- name: keep
-- A batch of payloads, those not seen before, with their work-list rows, in one statement (one commit).
-- $1 keys uuid[], $2 expires_at, $3 channel_id, $4 lane, $5 class, $6 silent, $7 request, $8 body, $9 blob: arrays.
-- Keys are sorted for the insert, so that two writers wait for one another in one order. A key whose window is over is
-- taken anew. Returns the keys that were new. Uses journal_dedup_pkey, journal_dedup_old_pkey.
WITH incoming AS (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::timestamptz[], $3::uuid[], $4::smallint[], $5::smallint[], $6::boolean[], $7::jsonb[],
        $8::bytea[], $9::text[]
    ) WITH ORDINALITY AS i (key, expires_at, channel_id, lane, class, silent, request, body, blob, ord)
), fresh AS (
    INSERT INTO journal_dedup AS d (key, expires_at)
    SELECT i.key, i.expires_at
    FROM incoming AS i
    WHERE NOT EXISTS (
        SELECT FROM journal_dedup_old AS o WHERE o.key = i.key AND (o.expires_at IS NULL OR o.expires_at > now())
    )
    ORDER BY i.key
    ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at WHERE d.expires_at <= now()
    RETURNING d.key
), kept AS (
    INSERT INTO journal (channel_id, lane, class, silent, request, body, blob)
    SELECT i.channel_id, i.lane, i.class, i.silent, i.request, i.body, i.blob
    FROM incoming AS i JOIN fresh USING (key)
    ORDER BY i.ord
    RETURNING id, lane, class
), todo AS (
    INSERT INTO journal_todo (entry_id, lane, class) SELECT id, lane, class FROM kept
)
SELECT key FROM fresh

-- name: set_mark
-- A fetcher's progress, in the transaction that keeps what it fetched. $1 channel, $2 mark.
INSERT INTO channel_mark (channel_id, mark) VALUES ($1, $2)
ON CONFLICT (channel_id) DO UPDATE SET mark = excluded.mark, at = now()

-- name: take_live
-- The next live entries of the lanes in hand, oldest first, noted as in this owner's hands before it works on them.
-- $1 lanes, $2 limit, $3 the id below which nothing was left when last looked at all (dead rows of a work list pile up
-- behind a long transaction elsewhere; starting above them keeps this quick), $4 owner. `seed`: what the batch's ids are
-- counted on from (storage/ids.py). Uses journal_todo_class_entry_id_idx.
WITH taken AS MATERIALIZED (
    SELECT entry_id, lane, class, attempts, replay FROM journal_todo
    WHERE class = 0 AND lane = ANY ($1::smallint[]) AND entry_id >= $3
    ORDER BY entry_id LIMIT $2
), noted AS (
    INSERT INTO journal_attempt (worker, entry_ids)
    SELECT $4, array_agg(entry_id) FROM taken HAVING count(*) > 0
    RETURNING id
)
SELECT t.entry_id, t.lane, t.class, t.attempts, t.replay, true AS ready, j.channel_id, j.received_at, j.silent, j.request,
    j.body, j.blob, (SELECT id FROM noted) AS note_id, (SELECT uuidv7()) AS seed
FROM taken AS t LEFT JOIN journal AS j ON j.id = t.entry_id
ORDER BY t.entry_id

-- name: take_bulk
-- The same of statuses, then of bulk. One that follows a live entry of its lane is not `ready`: a report must not be read
-- before what it speaks of. Parameters and index as above; $3 is for statuses, $5 for bulk.
WITH statuses AS MATERIALIZED (
    SELECT entry_id, lane, class, attempts, replay FROM journal_todo
    WHERE class = 1 AND lane = ANY ($1::smallint[]) AND entry_id >= $3
    ORDER BY entry_id LIMIT $2
), bulk AS MATERIALIZED (
    SELECT entry_id, lane, class, attempts, replay FROM journal_todo
    WHERE class = 2 AND lane = ANY ($1::smallint[]) AND entry_id >= $5
    ORDER BY entry_id LIMIT $2 - (SELECT count(*) FROM statuses)
), taken AS (
    SELECT * FROM statuses UNION ALL SELECT * FROM bulk
), live AS MATERIALIZED (
    SELECT lane, min(entry_id) AS entry_id FROM journal_todo WHERE class = 0 AND lane = ANY ($1::smallint[]) GROUP BY lane
), judged AS MATERIALIZED (
    SELECT t.*, l.entry_id IS NULL OR l.entry_id > t.entry_id AS ready FROM taken AS t LEFT JOIN live AS l USING (lane)
), noted AS (
    INSERT INTO journal_attempt (worker, entry_ids)
    SELECT $4, array_agg(entry_id) FROM judged WHERE ready HAVING count(*) > 0
    RETURNING id
)
SELECT t.entry_id, t.lane, t.class, t.attempts, t.replay, t.ready, j.channel_id, j.received_at, j.silent, j.request,
    j.body, j.blob, (SELECT id FROM noted) AS note_id, (SELECT uuidv7()) AS seed
FROM judged AS t LEFT JOIN journal AS j ON j.id = t.entry_id
ORDER BY t.class, t.entry_id

-- name: note_only
-- Of a batch with a suspect in it this one alone is in hand. $1 note, $2 entry.
UPDATE journal_attempt SET entry_ids = ARRAY[$2::bigint] WHERE id = $1

-- name: suspects
-- Batches whose worker is gone: their entries carry one unclean death more, the notes go. $1 ids of living workers.
WITH dead AS (
    DELETE FROM journal_attempt WHERE worker <> ALL ($1::int[]) RETURNING entry_ids
)
UPDATE journal_todo AS t SET attempts = t.attempts + 1
FROM (SELECT DISTINCT unnest(entry_ids) AS entry_id FROM dead) AS d
WHERE t.entry_id = d.entry_id

-- name: absolve
-- This owner lost its connection, not its life: its note goes; if another has counted it as a death already, that is
-- taken back. $1 owner, $2 entries in its hands.
WITH mine AS (
    DELETE FROM journal_attempt WHERE worker = $1 RETURNING id
)
UPDATE journal_todo SET attempts = attempts - 1
WHERE entry_id = ANY ($2::bigint[]) AND attempts > 0 AND NOT EXISTS (SELECT FROM mine)

-- name: finish
-- Takes entries off the work list, and the note of the attempt. $1 entries, $2 note or null. The owner's session does not
-- wait for the disk, as notes need not; what a batch became must, as it is told.
WITH noted AS (
    DELETE FROM journal_attempt WHERE id = $2::bigint
), done AS (
    DELETE FROM journal_todo WHERE entry_id = ANY ($1::bigint[])
)
SELECT set_config('synchronous_commit', 'on', true)

-- name: finish_and_lock
-- The same, then the lock of the event log (storage/events.py, 730100000001 there): one round trip. Returns the newest
-- event's id. The condition is worked out before the columns, so that nothing is deleted while the log is locked.
WITH noted AS (
    DELETE FROM journal_attempt WHERE id = $2::bigint RETURNING id
), done AS (
    DELETE FROM journal_todo WHERE entry_id = ANY ($1::bigint[]) RETURNING entry_id
)
SELECT pg_advisory_xact_lock(730100000001),
    coalesce(pg_sequence_last_value(pg_get_serial_sequence('event', 'id')::regclass), 0) AS event_id,
    set_config('synchronous_commit', 'on', true)
WHERE (SELECT count(*) FROM noted) + (SELECT count(*) FROM done) >= 0

-- name: forget_results
-- Before the new results of entries that are processed again. $1 entries.
DELETE FROM journal_result WHERE entry_id = ANY ($1::bigint[])

-- name: replay
-- Puts entries back on the work list. $1 entries. Entries under way are left alone. The row of a kept one is locked, so
-- that it is not forgotten before this commits (storage/kept.py).
INSERT INTO journal_todo (entry_id, lane, class, replay)
SELECT e.id, e.lane, 2, true
FROM (
    SELECT id, lane FROM journal WHERE id = ANY ($1::bigint[])
    UNION ALL
    SELECT k.id, k.lane FROM (SELECT id, lane FROM journal_kept WHERE id = ANY ($1::bigint[]) FOR KEY SHARE) AS k
) AS e
ON CONFLICT (entry_id) DO NOTHING
RETURNING entry_id

-- name: failed
-- Entries to look at again. $1 channel or null, $2 since or null. Uses journal_result_state_entry_id_idx.
SELECT r.entry_id
FROM journal_result AS r
CROSS JOIN LATERAL (
    SELECT channel_id, received_at FROM journal WHERE id = r.entry_id
    UNION ALL SELECT channel_id, received_at FROM journal_kept WHERE id = r.entry_id LIMIT 1
) AS j
WHERE r.state IN ('failed', 'quarantined')
  AND ($1::uuid IS NULL OR j.channel_id = $1) AND ($2::timestamptz IS NULL OR j.received_at >= $2)
ORDER BY r.entry_id

-- name: rotate_swap
-- The two generations of keys change names, the older one emptied. Writers wait for an instant; their prepared
-- statements are planned anew with the new names. Run in a transaction under the DEDUP lock.
LOCK TABLE journal_dedup, journal_dedup_old IN ACCESS EXCLUSIVE MODE;
TRUNCATE journal_dedup_old;
ALTER TABLE journal_dedup_old RENAME TO journal_dedup_next;
ALTER TABLE journal_dedup RENAME TO journal_dedup_old;
ALTER TABLE journal_dedup_next RENAME TO journal_dedup
