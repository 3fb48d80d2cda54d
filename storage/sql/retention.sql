-- name: span
-- The first and the last id of a partition of the journal. {partition} stands for its name, here and below.
SELECT min(id) AS low, max(id) AS high FROM {partition}

-- name: copy
-- $1 entries.
INSERT INTO journal_kept (id, channel_id, received_at, lane, class, silent, request, body, blob)
SELECT id, channel_id, received_at, lane, class, silent, request, body, blob
FROM {partition} WHERE id = ANY ($1::bigint[])
ON CONFLICT (id) DO NOTHING

-- name: rows
-- Entries of a partition on its way out. $1 entries.
SELECT id, channel_id, received_at, lane, class, silent, request, body, blob
FROM {partition} WHERE id = ANY ($1::bigint[])

-- name: blobs_named
SELECT DISTINCT blob FROM {partition} WHERE blob IS NOT NULL ORDER BY blob

-- name: lock
LOCK TABLE {partition} IN ACCESS EXCLUSIVE MODE

-- name: drop
DROP TABLE {partition}

-- name: newest_entry
-- The time of the newest among the last $1 rows: ids are given out in order, but commits take their time.
SELECT max(n.received_at) FROM (SELECT received_at FROM {partition} ORDER BY id DESC LIMIT $1) AS n

-- name: newest_event
SELECT max(n.at) FROM (SELECT at FROM {partition} ORDER BY id DESC LIMIT $1) AS n

-- name: has_unneeded_results
SELECT EXISTS (
    SELECT FROM {partition} AS r WHERE NOT EXISTS (SELECT FROM journal_kept AS k WHERE k.id = r.entry_id)
)

-- name: set_aside
-- The results of kept entries, out of a partition that is about to be emptied.
CREATE TEMP TABLE still ON COMMIT DROP AS
SELECT * FROM {partition} WHERE entry_id IN (SELECT id FROM journal_kept)

-- name: empty
TRUNCATE {partition}

-- name: put_back
INSERT INTO {partition} SELECT * FROM still

-- name: not_done
-- Entries behind $1 up to $2 whose payload is still needed: they wait, failed, have files that are yet to be taken out of
-- them, or are a piece of a message that waits for the others. At most $3, in order. Uses journal_todo_pkey,
-- journal_result_state_entry_id_idx, attachment_pending_idx.
SELECT n.id
FROM (
    (SELECT entry_id AS id FROM journal_todo WHERE entry_id > $1 AND entry_id <= $2 ORDER BY entry_id LIMIT $3)
    UNION
    (SELECT entry_id FROM journal_result
     WHERE state = 'failed' AND entry_id > $1 AND entry_id <= $2 ORDER BY entry_id LIMIT $3)
    UNION
    (SELECT entry_id FROM journal_result
     WHERE state = 'quarantined' AND entry_id > $1 AND entry_id <= $2 ORDER BY entry_id LIMIT $3)
    UNION
    SELECT (source ->> 'entry')::bigint FROM attachment
    WHERE state = 'pending' AND source ? 'entry' AND (source ->> 'entry')::bigint > $1
        AND (source ->> 'entry')::bigint <= $2
    UNION
    SELECT entry_id FROM part_buffer WHERE entry_id > $1 AND entry_id <= $2
) AS n
ORDER BY n.id LIMIT $3

-- name: kept
-- Entries whose partition is gone, with the columns of the journal. $1 entries.
SELECT id, channel_id, received_at, lane, class, silent, request, body, blob
FROM journal_kept WHERE id = ANY ($1::bigint[])

-- name: note_unused
-- Blobs that lost somebody who held them: whoever frees blobs looks whether anybody is left. $1 digests, $2 sizes.
INSERT INTO blob (sha256, size, refs) SELECT * FROM unnest($1::text[], $2::bigint[], array_fill(0, ARRAY[cardinality($1)]))
ON CONFLICT (sha256) DO NOTHING

-- name: lock_settled
-- Kept entries that have been done since, longer ago than $1: behind entry $2, at most $3. Entries still in the journal
-- stay (their partition is being waited for). A replay that is about to begin holds the row, then it is left out.
SELECT k.id FROM journal_kept AS k JOIN journal_result AS r ON r.entry_id = k.id
WHERE k.id > $2 AND r.state IN ('done', 'ignored') AND r.at < $1
    AND NOT EXISTS (SELECT FROM journal AS j WHERE j.id = k.id)
ORDER BY k.id LIMIT $3 FOR UPDATE OF k SKIP LOCKED

-- name: forget_settled
-- Those of them ($1) that nobody has put on the work list meanwhile, and no file of theirs waits.
DELETE FROM journal_kept AS k
WHERE k.id = ANY ($1::bigint[]) AND NOT EXISTS (SELECT FROM journal_todo AS t WHERE t.entry_id = k.id)
    AND NOT EXISTS (SELECT FROM attachment WHERE state = 'pending' AND source ->> 'entry' = k.id::text)
    AND NOT EXISTS (SELECT FROM part_buffer AS p WHERE p.entry_id = k.id)
RETURNING k.id, k.blob

-- name: forget_results
-- $1 entries that are gone.
DELETE FROM journal_result WHERE entry_id = ANY ($1::bigint[])

-- name: results_wanted
-- How many entries from $1 on and below $2 (counted to $3) may yet get a result or be asked for theirs. Uses
-- journal_kept_pkey, journal_todo_pkey.
SELECT count(*) FROM (
    SELECT id FROM journal_kept WHERE id >= $1 AND id < $2
    UNION SELECT entry_id FROM journal_todo WHERE entry_id >= $1 AND entry_id < $2 LIMIT $3
) AS wanted

-- name: orphans
-- Files of interactions whose partition is gone, that is below the id $1; at most $2. Uses attachment_interaction_id_idx.
DELETE FROM attachment WHERE id = ANY (ARRAY(
    SELECT id FROM attachment WHERE interaction_id < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
))
RETURNING blob

-- name: unsent
-- Uploaded files of no message, older than $1, that no draft of their author names; at most $2. Uses
-- attachment_interaction_id_idx, draft_pkey.
DELETE FROM attachment WHERE id = ANY (ARRAY(
    SELECT f.id FROM attachment AS f
    WHERE f.interaction_id IS NULL AND f.state = 'kept' AND f.created_at < $1 AND NOT EXISTS (
        SELECT FROM draft AS d WHERE d.agent_id = f.uploaded_by AND d.body -> 'attachments' ? f.id::text)
    LIMIT $2 FOR UPDATE SKIP LOCKED
))
RETURNING blob

-- name: let_go
-- Attachments that are gone held these blobs. $1 digests, sorted, $2 how many of each.
UPDATE blob AS b SET refs = greatest(b.refs - g.count, 0)
FROM unnest($1::text[], $2::int[]) AS g (sha256, count) WHERE b.sha256 = g.sha256

-- name: lock_unused
-- Blobs that no attachment holds, behind $1, at most $2; `held`: an entry does. Uses blob_unused_idx, journal_blob_idx,
-- journal_kept_blob_idx.
SELECT b.sha256, EXISTS (SELECT FROM journal AS j WHERE j.blob = b.sha256)
    OR EXISTS (SELECT FROM journal_kept AS k WHERE k.blob = b.sha256) AS held
FROM blob AS b WHERE b.refs <= 0 AND b.sha256 > $1 ORDER BY b.sha256 LIMIT $2 FOR UPDATE SKIP LOCKED

-- name: forget_blobs
-- $1 digests.
DELETE FROM blob WHERE sha256 = ANY ($1::text[])
