-- name: lock
-- Calls as far as they are known, locked in the order of ids. $1 channel_id, $2 external_id: arrays.
SELECT c.id, c.channel_id, c.external_id, c.conversation_id, c.interaction_id, c.recording_id, c.events
FROM call AS c
JOIN unnest($1::uuid[], $2::text[]) AS q (channel_id, external_id)
    ON q.channel_id = c.channel_id AND q.external_id = c.external_id
ORDER BY c.id
FOR NO KEY UPDATE OF c

-- name: put
-- A call as its events make it. One row. Returns its id.
INSERT INTO call AS c (
    channel_id, external_id, conversation_id, interaction_id, state, outcome, direction, client, our_number, employee,
    started_at, answered_at, finished_at, talk_s, wait_s, recording_id, events
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (channel_id, external_id) DO UPDATE
SET state = excluded.state, outcome = excluded.outcome, direction = excluded.direction, client = excluded.client,
    our_number = excluded.our_number, employee = excluded.employee, started_at = excluded.started_at,
    answered_at = excluded.answered_at, finished_at = excluded.finished_at, talk_s = excluded.talk_s,
    wait_s = excluded.wait_s, recording_id = excluded.recording_id, events = excluded.events
RETURNING c.id

-- name: known
-- Which calls these ids, aliases included, belong to. $1 channel_id, $2 id: arrays. By way of the conversation, as a
-- call's interaction has no index of its own; `asked`: we asked the PBX for it. Uses external_ref_pkey, interaction_pkey,
-- call_conversation_id_idx, outbound_interaction_id_idx.
SELECT r.channel_id, r.external_id AS id, c.external_id AS call_id,
    EXISTS (SELECT FROM outbound AS o WHERE o.interaction_id = i.id) AS asked
FROM unnest($1::uuid[], $2::text[]) AS q (channel_id, id)
JOIN external_ref AS r
    ON r.channel_id = q.channel_id AND r.kind = 'call' AND r.external_id = q.id AND r.version = ''
JOIN interaction AS i ON i.id = r.interaction_id
JOIN call AS c ON c.conversation_id = i.conversation_id AND c.interaction_id = i.id

-- name: show
-- The call in the stream. $1 interaction, $2 what the call is now, $3 in or out, null if not known yet. What people noted
-- of its outcome stays.
UPDATE interaction
SET body = coalesce(body, '{}') || jsonb_build_object('call', $2::jsonb || CASE
        WHEN body -> 'call' ? 'disposition' THEN jsonb_build_object('disposition', body -> 'call' -> 'disposition')
        ELSE '{}' END),
    direction = coalesce($3, direction),
    state = CASE WHEN coalesce($3, direction) = 'out' THEN CASE state WHEN 'delivered' THEN state ELSE 'sent' END END
WHERE id = $1

-- name: add_recordings
-- Recordings become files of the call's interaction, fetched like all others. $1 interaction, $2 channel, $3 name,
-- $4 type, $5 source: arrays from $3 on. Returns the attachments' ids in that order.
WITH made AS (
    INSERT INTO attachment (id, interaction_id, channel_id, name, type, source)
    SELECT uuidv7(), $1, $2, r.name, r.type, r.source
    FROM unnest($3::text[], $4::text[], $5::jsonb[]) AS r (name, type, source)
    RETURNING id, name, type
), shown AS (
    UPDATE interaction AS i
    SET body = jsonb_set(
        coalesce(i.body, '{}'), '{attachments}', coalesce(i.body -> 'attachments', '[]') || (
            SELECT jsonb_agg(jsonb_build_object('id', made.id, 'name', made.name, 'type', made.type) ORDER BY made.id)
            FROM made
        )
    )
    WHERE i.id = $1
)
SELECT id, name, type FROM made ORDER BY id

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
-- An answered call is done, by whom it was answered; one that nobody answered is work, unread, its first answer due.
-- $1 conversation, $2 status, $3 assignee, $4 queue, $5 queued_at, $6 reason, $7 frt_due_at, $8 the client's last word.
UPDATE conversation
SET status = $2, assignee_id = $3, queue_id = $4, queued_at = $5, assignment_reason = $6, version = version + 1,
    frt_due_at = $7, unread = CASE $2 WHEN 'resolved' THEN 0 ELSE 1 END,
    last_in_at = greatest(last_in_at, $8), resolved_at = CASE $2 WHEN 'resolved' THEN now() END
WHERE id = $1
RETURNING version

-- name: reached
-- Whoever was talked to need not be called back: his missed calls before that are done. $1 card, $2 the call's own
-- conversation, $3 its start, $4 reason. Uses conversation_contact_id_idx, call_conversation_id_idx.
UPDATE conversation AS c
SET status = 'resolved', resolved_at = now(), queued_at = NULL, unread = 0, disposition = $4, version = c.version + 1
WHERE c.contact_id IN (SELECT id FROM contact WHERE card_id = $1)
  AND c.kind = 'call' AND c.status <> 'resolved' AND c.id <> $2
  AND EXISTS (
      SELECT FROM call
      WHERE call.conversation_id = c.id AND call.state = 'finished' AND call.outcome <> 'answered'
        AND call.direction = 'in' AND call.started_at <= $3
  )
RETURNING c.id

-- name: rung
-- Whoever is rung may see the conversation. $1 conversation, $2 agents.
INSERT INTO conversation_participant AS p (conversation_id, agent_id, why)
SELECT $1, a.id, 'rung' FROM unnest($2::uuid[]) AS a (id) ORDER BY a.id
ON CONFLICT (conversation_id, agent_id) DO UPDATE SET last_at = now()
