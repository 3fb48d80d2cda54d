-- name: new_id
-- What a batch counts its ids on from (storage/ids.py).
SELECT uuidv7()

-- name: claim_refs
-- Which of these provider ids are new; they now belong to the given interactions.
-- $1 channel_id, $2 kind, $3 external_id, $4 version, $5 interaction_id: arrays. Uses external_ref_pkey.
INSERT INTO external_ref (channel_id, kind, external_id, version, interaction_id)
SELECT r.channel_id, r.kind, r.external_id, r.version, r.interaction_id
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[])
    AS r (channel_id, kind, external_id, version, interaction_id)
ORDER BY r.channel_id, r.kind, r.external_id, r.version
ON CONFLICT DO NOTHING
RETURNING interaction_id

-- name: find_refs
-- Whose these ids are. $1 channel_id, $2 kind, $3 external_id, $4 version: arrays. Uses external_ref_pkey.
SELECT r.channel_id, r.kind, r.external_id, r.version, r.interaction_id
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS q (channel_id, kind, external_id, version)
JOIN external_ref AS r
    ON r.channel_id = q.channel_id AND r.kind = q.kind AND r.external_id = q.external_id AND r.version = q.version

-- name: fingerprints
-- What made the content of these interactions, as their connector told it. $1 ids.
SELECT id, coalesce(body -> 'meta' ->> 'fingerprint', '') AS fingerprint FROM interaction WHERE id = ANY ($1::uuid[])

-- name: match_identities
-- Addresses to cards, one round trip. $1 kind, $2 scope, $3 value: arrays. Uses identity_kind_scope_value_key, which
-- has all that is read of an address, and contact_pkey. A merged contact's owner and facts are those of the card it
-- shows on; one that was not merged is not looked up twice.
SELECT i.kind, i.scope, i.value, i.id AS identity_id, i.contact_id, own.card_id,
    CASE WHEN onto.id IS NULL THEN own.name ELSE onto.name END AS name,
    CASE WHEN onto.id IS NULL THEN own.owner_id ELSE onto.owner_id END AS owner_id,
    CASE WHEN onto.id IS NULL THEN own.tags ELSE onto.tags END AS tags,
    CASE WHEN onto.id IS NULL THEN own.vip ELSE onto.vip END AS vip,
    CASE WHEN onto.id IS NULL THEN own.language ELSE onto.language END AS language,
    CASE WHEN onto.id IS NULL THEN own.source ELSE onto.source END AS source
FROM unnest($1::text[], $2::text[], $3::text[]) AS q (kind, scope, value)
JOIN identity AS i ON i.kind = q.kind AND i.scope = q.scope AND i.value = q.value
LEFT JOIN contact AS own ON own.id = i.contact_id
LEFT JOIN contact AS onto ON onto.id = CASE WHEN own.card_id <> own.id THEN own.card_id END

-- name: insert_identities
-- New addresses, sorted so that two lanes wait for one another in one order; those another lane was quicker with are
-- not returned. $1 id, $2 kind, $3 scope, $4 value, $5 ext, $6 name, $7 contact_id, $8 source, $9 confidence: arrays.
INSERT INTO identity (id, kind, scope, value, ext, name, contact_id, source, confidence)
SELECT *
FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::text[], $9::float8[]
) AS n (id, kind, scope, value, ext, name, contact_id, source, confidence)
ORDER BY n.kind, n.scope, n.value
ON CONFLICT (kind, scope, value) DO NOTHING
RETURNING kind, scope, value

-- name: repoint_identities
-- Addresses this transaction has just made go to the card that won. $1 contacts never made, $2 winners: arrays.
UPDATE identity AS i SET contact_id = m.winner
FROM unnest($1::uuid[], $2::uuid[]) AS m (loser, winner)
WHERE i.contact_id = m.loser

-- name: insert_contacts
-- $1 id, $2 name, $3 sort_name, $4 language, $5 source, $6 kind: arrays.
INSERT INTO contact (id, card_id, name, sort_name, language, source, kind)
SELECT c.id, c.id, c.name, c.sort_name, c.language, c.source, c.kind
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::text[])
    AS c (id, name, sort_name, language, source, kind)
ORDER BY c.id

-- name: suggest_merges
-- $1 first, $2 second (first < second), $3 reason, $4 score: arrays.
INSERT INTO merge_suggestion (first_id, second_id, reason, score)
SELECT DISTINCT ON (s.first_id, s.second_id) *
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::float8[]) AS s (first_id, second_id, reason, score)
ORDER BY s.first_id, s.second_id
ON CONFLICT (first_id, second_id) DO NOTHING

-- name: block_identities
-- Clients who refuse messages, or take them again ($4 false). $1 kind, $2 scope, $3 value, $4 blocked, $5 reason: arrays.
UPDATE identity AS i
SET blocked_at = CASE WHEN b.blocked THEN coalesce(i.blocked_at, now()) END,
    blocked_reason = CASE WHEN b.blocked THEN b.reason ELSE '' END
FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::text[]) AS b (kind, scope, value, blocked, reason)
WHERE i.kind = b.kind AND i.scope = b.scope AND i.value = b.value

-- name: latest_conversations
-- The newest conversation of each thread, with who took part lately, locked in the order of ids. Columns in the order of
-- router.work.Thread. $1 channel_id, $2 thread_key: arrays. Uses conversation_channel_id_thread_key_id_idx.
SELECT c.id, c.channel_id, c.thread_key, c.kind, c.contact_id, c.identity_id, c.status, c.assignee_id, c.queue_id,
    c.queued_at, c.assignment_reason, c.unread, c.last_at, c.last_in_at, '' AS last_text, c.frt_due_at,
    c.first_response_at, c.resolved_at, NULL::uuid AS previous_id, '' AS subject, c.version,
    array(
        SELECT p.agent_id FROM conversation_participant AS p
        WHERE p.conversation_id = c.id AND p.last_at > now() - interval '30 days'
    ) AS participants
FROM conversation AS c
WHERE c.id IN (
    SELECT latest.id
    FROM unnest($1::uuid[], $2::text[]) AS q (channel_id, thread_key)
    CROSS JOIN LATERAL (
        SELECT n.id FROM conversation AS n
        WHERE n.channel_id = q.channel_id AND n.thread_key = q.thread_key
        ORDER BY n.id DESC LIMIT 1
    ) AS latest
)
ORDER BY c.id
FOR NO KEY UPDATE OF c

-- name: insert_conversations
-- New threads. One that somebody else opened meanwhile is not returned: the batch is then done again.
INSERT INTO conversation (
    id, channel_id, thread_key, kind, contact_id, identity_id, assignee_id, queue_id, queued_at, assignment_reason,
    subject, previous_id, last_at, last_in_at, last_text, unread, frt_due_at
)
SELECT *
FROM unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[], $9::timestamptz[],
    $10::text[], $11::text[], $12::uuid[], $13::timestamptz[], $14::timestamptz[], $15::text[], $16::int[],
    $17::timestamptz[]
) AS c (
    id, channel_id, thread_key, kind, contact_id, identity_id, assignee_id, queue_id, queued_at, assignment_reason,
    subject, previous_id, last_at, last_in_at, last_text, unread, frt_due_at
)
ORDER BY c.id
ON CONFLICT (channel_id, thread_key) WHERE status <> 'resolved' DO NOTHING
RETURNING id

-- name: update_conversations
-- What a batch changed of threads it holds locked. All arrays.
UPDATE conversation AS c
SET status = u.status, identity_id = u.identity_id, assignee_id = u.assignee_id, queue_id = u.queue_id,
    queued_at = u.queued_at, assignment_reason = u.assignment_reason, last_at = greatest(c.last_at, u.last_at),
    last_in_at = greatest(c.last_in_at, u.last_in_at),
    last_text = CASE WHEN u.last_at >= c.last_at THEN u.last_text ELSE c.last_text END,
    unread = u.unread, frt_due_at = u.frt_due_at, version = u.version,
    resolved_at = CASE WHEN u.status = 'resolved' THEN c.resolved_at END,
    snoozed_until = CASE WHEN u.status = 'snoozed' THEN c.snoozed_until END
FROM unnest(
    $1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::timestamptz[], $7::text[], $8::timestamptz[],
    $9::timestamptz[], $10::text[], $11::int[], $12::timestamptz[], $13::int[]
) AS u (
    id, status, identity_id, assignee_id, queue_id, queued_at, assignment_reason, last_at, last_in_at, last_text,
    unread, frt_due_at, version
)
WHERE c.id = u.id

-- name: insert_assignments
-- $1 conversation_id, $2 agent_id, $3 queue_id, $4 reason, $5 facts: arrays. The one before ends.
WITH ended AS (
    UPDATE assignment SET until = now() WHERE conversation_id = ANY ($1::uuid[]) AND until IS NULL
)
INSERT INTO assignment (conversation_id, agent_id, queue_id, reason, facts)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::jsonb[])

-- name: rewrite_interactions
-- Edits, and replays that understand more than the first time; an older version never overwrites a newer one, and the
-- echo of a message that was written here has nothing to add to it.
-- $1 id, $2 text, $3 parts of the body to set, $4 version's time, null for a replay: arrays.
UPDATE interaction AS i
SET text = e.text, body = coalesce(i.body, '{}') || e.body, edited_at = coalesce(e.at, i.edited_at)
FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::timestamptz[]) AS e (id, text, body, at)
WHERE i.id = e.id AND i.deleted_at IS NULL AND (e.at IS NOT NULL OR i.journal_id IS NOT NULL)
  AND (i.edited_at IS NULL OR i.edited_at <= e.at)
  AND (i.text, coalesce(i.body, '{}')) IS DISTINCT FROM (e.text, coalesce(i.body, '{}') || e.body)
RETURNING i.id, i.conversation_id, i.contact_id, i.channel_id, i.text, i.edited_at

-- name: delete_interactions
-- Messages taken back: the row stays, so that the stream tells it. $1 id, $2 at: arrays.
UPDATE interaction AS i SET deleted_at = d.at
FROM unnest($1::uuid[], $2::timestamptz[]) AS d (id, at)
WHERE i.id = d.id AND i.deleted_at IS NULL
RETURNING i.id, i.conversation_id, i.contact_id, i.channel_id

-- name: react
-- $1 id, $2 who has which reactions now, null = none: arrays, an interaction once.
UPDATE interaction AS i
SET body = jsonb_set(
    coalesce(i.body, '{}'), '{reactions}', jsonb_strip_nulls(coalesce(i.body -> 'reactions', '{}') || r.said)
)
FROM unnest($1::uuid[], $2::jsonb[]) AS r (id, said)
WHERE i.id = r.id
RETURNING i.id, i.conversation_id, i.contact_id, i.channel_id, i.body -> 'reactions' AS reactions

-- name: insert_attachments
-- Files to be fetched. $1 id, $2 interaction_id, $3 channel_id, $4 name, $5 type, $6 size, $7 source: arrays.
INSERT INTO attachment (id, interaction_id, channel_id, name, type, size, source)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::jsonb[])

-- name: audiences
-- Who may see these conversations. $1 conversations. Participants of the last 30 days count.
SELECT c.id, c.assignee_id, c.queue_id, card.owner_id,
    array(
        SELECT p.agent_id FROM conversation_participant AS p
        WHERE p.conversation_id = c.id AND p.last_at > now() - interval '30 days'
    ) AS participants
FROM conversation AS c
LEFT JOIN contact AS own ON own.id = c.contact_id
LEFT JOIN contact AS card ON card.id = own.card_id
WHERE c.id = ANY ($1::uuid[])
