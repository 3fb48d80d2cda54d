-- name: lock
-- Calls as far as they are known, locked in the order of ids. $1 channel_id, $2 external_id: arrays.
SELECT c.id, c.channel_id, c.external_id, c.conversation_id, c.interaction_id, c.state, c.outcome, c.events
FROM call AS c
JOIN unnest($1::uuid[], $2::text[]) AS q (channel_id, external_id)
    ON q.channel_id = c.channel_id AND q.external_id = c.external_id
ORDER BY c.id
FOR NO KEY UPDATE OF c

-- name: put
-- A call as its events make it. One row.
INSERT INTO call AS c (
    channel_id, external_id, conversation_id, interaction_id, state, outcome, direction, client, our_number, employee,
    started_at, answered_at, finished_at, talk_s, wait_s, events
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (channel_id, external_id) DO UPDATE
SET state = excluded.state, outcome = excluded.outcome, direction = excluded.direction, client = excluded.client,
    our_number = excluded.our_number, employee = excluded.employee, started_at = excluded.started_at,
    answered_at = excluded.answered_at, finished_at = excluded.finished_at, talk_s = excluded.talk_s,
    wait_s = excluded.wait_s, events = excluded.events, conversation_id = excluded.conversation_id

-- name: known
-- Which calls these ids, aliases included, belong to. $1 channel_id, $2 id: arrays.
SELECT r.channel_id, r.external_id AS id, c.external_id AS call_id
FROM unnest($1::uuid[], $2::text[]) AS q (channel_id, id)
JOIN external_ref AS r
    ON r.channel_id = q.channel_id AND r.kind = 'call' AND r.external_id = q.id AND r.version = ''
JOIN call AS c ON c.interaction_id = r.interaction_id

-- name: show
-- The call in the stream. $1 interaction, $2 what the call is now.
UPDATE interaction SET body = coalesce(body, '{}') || jsonb_build_object('call', $2::jsonb) WHERE id = $1

-- name: name_client
-- The first events of a call may not say who rings: it is put on the right card once one does. $1 interaction,
-- $2 conversation, $3 contact, $4 identity.
WITH shown AS (
    UPDATE interaction SET contact_id = $3, identity_id = $4 WHERE id = $1
)
UPDATE conversation SET contact_id = $3, identity_id = $4, version = version + 1 WHERE id = $2

-- name: conversation
-- $1 conversation.
SELECT c.id, c.channel_id, c.contact_id, c.status, c.assignee_id, c.queue_id, c.queued_at, c.version, card.id AS card_id,
    card.name, card.owner_id, card.tags, card.vip, card.language, card.source
FROM conversation AS c
LEFT JOIN contact AS own ON own.id = c.contact_id
LEFT JOIN contact AS card ON card.id = own.card_id
WHERE c.id = $1
FOR NO KEY UPDATE OF c

-- name: close
-- An answered call is done, by whom it was answered; one that nobody answered is work. $1 conversation, $2 status,
-- $3 assignee, $4 queue, $5 queued_at, $6 reason.
UPDATE conversation
SET status = $2, assignee_id = $3, queue_id = $4, queued_at = $5, assignment_reason = $6, version = version + 1,
    resolved_at = CASE WHEN $2 = 'resolved' THEN now() END
WHERE id = $1
RETURNING version
