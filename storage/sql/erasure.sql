-- name: members
-- All that show on a card, held until the end. $1 card. Uses contact_card_id_idx.
SELECT id FROM contact WHERE card_id = $1 ORDER BY id FOR UPDATE

-- name: addresses
-- $1 members. Uses identity_contact_id_idx.
DELETE FROM identity WHERE contact_id = ANY ($1::uuid[]) RETURNING kind, value

-- name: blank_contacts
-- $1 members.
UPDATE contact SET name = '', sort_name = '', company_id = NULL, owner_id = NULL, custom = '{}', tags = '{}', vip = false,
    timezone = '', language = '', birthday = NULL, source = '{}', erased_at = now(), updated_at = now(),
    version = version + 1
WHERE id = ANY ($1::uuid[])

-- name: blank_conversations
-- Closed, under a thread that no message leads to any more. $1 members. Uses conversation_contact_id_idx.
UPDATE conversation SET status = 'resolved', resolved_at = coalesce(resolved_at, now()), thread_key = 'erased:' || id,
    subject = '', last_text = '', identity_id = NULL, queued_at = NULL, unread = 0, frt_due_at = NULL, snoozed_until = NULL,
    version = version + 1
WHERE contact_id = ANY ($1::uuid[]) RETURNING id

-- name: blank_merges
-- $1 members. Uses contact_merge_survivor_id_idx.
UPDATE contact_merge SET before = '{}' WHERE survivor_id = ANY ($1::uuid[])

-- name: dismiss_suggestions
-- $1 members.
UPDATE merge_suggestion SET state = 'dismissed'
WHERE state = 'open' AND (first_id = ANY ($1::uuid[]) OR second_id = ANY ($1::uuid[]))

-- name: blank_consents
-- That a yes or no was given stays, where and how goes. $1 members.
UPDATE consent SET source = '{}' WHERE contact_id = ANY ($1::uuid[])

-- name: add
-- $1 card, $2 asked by, $3 reason, $4 counts, $5 by.
INSERT INTO erasure (contact_id, asked_by, reason, counts, by) VALUES ($1, $2, $3, $4, $5) RETURNING id

-- name: lock_next
-- An erasure that goes on and that nobody else has in hand.
SELECT id, contact_id, counts FROM erasure WHERE counts ? 'work' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: save
UPDATE erasure SET counts = $2 WHERE id = $1

-- Each of the following: $1 members, $2 conversations, $3 how many rows at most; gives back a row for each it emptied.

-- name: interactions
-- Uses interaction_contact_id_order_at_seq_id_idx.
WITH found AS (
    SELECT i.id FROM interaction AS i
    WHERE i.contact_id = ANY ($1::uuid[]) AND $2::uuid[] IS NOT NULL
        AND (i.text <> '' OR i.body IS NOT NULL OR i.external_id <> '' OR i.reply_to <> '')
    LIMIT $3)
UPDATE interaction AS i SET text = '', body = NULL, external_id = '', reply_to = ''
FROM found WHERE i.id = found.id RETURNING i.id

-- name: attachments
-- Uses attachment_interaction_id_idx.
DELETE FROM attachment WHERE id = ANY (ARRAY(
    SELECT f.id FROM interaction AS i JOIN attachment AS f ON f.interaction_id = i.id
    WHERE i.contact_id = ANY ($1::uuid[]) AND $2::uuid[] IS NOT NULL LIMIT $3))
RETURNING blob

-- name: recordings
-- Uses call_conversation_id_idx.
DELETE FROM attachment WHERE id = ANY (ARRAY(
    SELECT c.recording_id FROM call AS c JOIN attachment AS f ON f.id = c.recording_id
    WHERE c.conversation_id = ANY ($2::uuid[]) AND $1::uuid[] IS NOT NULL LIMIT $3))
RETURNING blob

-- name: calls
-- Uses call_conversation_id_idx.
UPDATE call SET client = '', events = '[]', recording_id = NULL WHERE id = ANY (ARRAY(
    SELECT c.id FROM call AS c WHERE c.conversation_id = ANY ($2::uuid[]) AND $1::uuid[] IS NOT NULL
        AND (c.client <> '' OR c.events <> '[]' OR c.recording_id IS NOT NULL) LIMIT $3))
RETURNING id

-- name: outbound
-- What had not left yet never does. Uses outbound_conversation_id_id_idx.
UPDATE outbound SET message = '{}', result = '{}', error = '', thread_key = '', external_ids = '{}',
    state = CASE WHEN state IN ('queued', 'claimed') THEN 'cancelled' ELSE state END
WHERE id = ANY (ARRAY(
    SELECT o.id FROM outbound AS o WHERE o.conversation_id = ANY ($2::uuid[]) AND $1::uuid[] IS NOT NULL
        AND (o.message <> '{}' OR o.state = 'queued') LIMIT $3))
RETURNING id

-- name: outbound_attempts
-- Uses outbound_attempt_outbound_id_id_idx.
UPDATE outbound_attempt SET provider_text = '' WHERE id = ANY (ARRAY(
    SELECT a.id FROM outbound AS o JOIN outbound_attempt AS a ON a.outbound_id = o.id
    WHERE o.conversation_id = ANY ($2::uuid[]) AND $1::uuid[] IS NOT NULL AND a.provider_text <> '' LIMIT $3))
RETURNING id

-- name: drafts
DELETE FROM draft WHERE (agent_id, conversation_id) IN (
    SELECT d.agent_id, d.conversation_id FROM draft AS d
    WHERE d.conversation_id = ANY ($2::uuid[]) AND $1::uuid[] IS NOT NULL LIMIT $3)
RETURNING agent_id

-- name: tasks
-- Uses task_contact_id_id_idx, task_conversation_id_idx.
UPDATE task SET title = '', text = '', result = '', version = version + 1 WHERE id = ANY (ARRAY(
    SELECT t.id FROM task AS t WHERE (t.contact_id = ANY ($1::uuid[]) OR t.conversation_id = ANY ($2::uuid[]))
        AND (t.title <> '' OR t.text <> '' OR t.result <> '') LIMIT $3))
RETURNING id

-- name: transfers
UPDATE transfer SET reason = '', answer = '' WHERE id = ANY (ARRAY(
    SELECT t.id FROM transfer AS t WHERE t.conversation_id = ANY ($2::uuid[]) AND $1::uuid[] IS NOT NULL
        AND (t.reason <> '' OR t.answer <> '') LIMIT $3))
RETURNING id

-- name: assignments
-- Uses assignment_conversation_id_since_idx.
UPDATE assignment SET facts = '{}' WHERE id = ANY (ARRAY(
    SELECT a.id FROM assignment AS a WHERE a.conversation_id = ANY ($2::uuid[]) AND $1::uuid[] IS NOT NULL
        AND a.facts <> '{}' LIMIT $3))
RETURNING id

-- name: audit
-- Who did something and when stays. Uses audit_log_object_kind_object_id_idx.
UPDATE audit_log SET before = '{}', after = '{}' WHERE id = ANY (ARRAY(
    SELECT a.id FROM audit_log AS a WHERE a.object_kind = 'contact' AND a.object_id = ANY ($1::uuid[]::text[])
        AND $2::uuid[] IS NOT NULL AND a.action <> 'contact.erased' AND (a.before <> '{}' OR a.after <> '{}') LIMIT $3))
RETURNING id

-- name: answers
-- Answers kept for repeated requests, 72 hours of them, that show the card.
DELETE FROM idempotency_key WHERE (actor, key) IN (
    SELECT k.actor, k.key FROM idempotency_key AS k
    WHERE k.body::text LIKE ANY (SELECT '%' || m || '%' FROM unnest($1::uuid[] || $2::uuid[]) AS m) LIMIT $3)
RETURNING key

-- name: scan_journal
-- Entries behind $1, at most $2, in order: `made` if an interaction of the members ($3) came of them, `body` and `request`
-- only where one of the needles ($4) stands in them.
SELECT e.id, e.made, e.named, CASE WHEN e.named THEN e.body END AS body,
    CASE WHEN e.named THEN e.request END AS request
FROM (
    SELECT j.id, j.body, j.request,
        EXISTS (SELECT FROM interaction AS i WHERE i.id = ANY (r.interactions) AND i.contact_id = ANY ($3::uuid[])) AS made,
        EXISTS (SELECT FROM unnest($4::text[]) AS n WHERE position(convert_to(n, 'UTF8') IN coalesce(j.body, '')) > 0
                OR position(n IN coalesce(j.request::text, '')) > 0) AS named
    FROM (
        SELECT id, body, request FROM journal WHERE id > $1
        UNION ALL SELECT id, body, request FROM journal_kept WHERE id > $1
        ORDER BY id LIMIT $2) AS j
    LEFT JOIN journal_result AS r ON r.entry_id = j.id) AS e
ORDER BY e.id

-- name: made_by
-- Entries that interactions of the members ($1) say they came of; behind $2, at most $3.
SELECT DISTINCT i.journal_id AS id FROM interaction AS i
WHERE i.contact_id = ANY ($1::uuid[]) AND i.journal_id > $2 ORDER BY i.journal_id LIMIT $3

-- name: blobs_of
-- $1 entries.
SELECT DISTINCT blob FROM (
    SELECT blob FROM journal WHERE id = ANY ($1::bigint[])
    UNION ALL SELECT blob FROM journal_kept WHERE id = ANY ($1::bigint[])) AS j
WHERE blob IS NOT NULL ORDER BY blob

-- name: blank_journal
-- $1 entries.
UPDATE journal SET body = NULL, request = NULL, blob = NULL
WHERE id = ANY ($1::bigint[]) AND (body IS NOT NULL OR request IS NOT NULL OR blob IS NOT NULL) RETURNING id

-- name: blank_kept
-- $1 entries.
UPDATE journal_kept SET body = NULL, request = NULL, blob = NULL WHERE id = ANY ($1::bigint[])

-- name: settle_todo
-- Nothing is left to be understood. $1 entries.
DELETE FROM journal_todo WHERE entry_id = ANY ($1::bigint[]) RETURNING entry_id

-- name: blank_results
-- $1 entries.
INSERT INTO journal_result (entry_id, state, at, interactions, detail)
SELECT e.id, 'ignored', now(), NULL, 'erased at the request of the person' FROM unnest($1::bigint[]) AS e (id)
ON CONFLICT (entry_id) DO UPDATE SET detail = excluded.detail,
    state = CASE WHEN journal_result.state = 'done' THEN 'done' ELSE 'ignored' END

-- name: scan_events
-- Events behind $1, at most $2: the last of them, and those in which one of the patterns ($3) is found.
SELECT max(e.id) AS last, array_agg(e.id) FILTER (WHERE e.data LIKE ANY ($3::text[]) AND e.type <> 'contact.erased') AS ids
FROM (SELECT id, type, data FROM event WHERE id > $1 ORDER BY id LIMIT $2) AS e

-- name: blank_events
-- Their ids stay, as cursors count on them. $1 ids.
UPDATE event SET type = 'erased', data = '{}' WHERE id = ANY ($1::bigint[])

-- name: last_entry
SELECT coalesce(max(id), 0) FROM journal
