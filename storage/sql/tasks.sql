-- name: owe
-- Missed calls become tasks, each once; none where the client was talked to since, as calls are not always told in their
-- order. $1 call, $2 title, $3 contact, $4 card, $5 conversation, $6 interaction, $7 assignee, $8 queue, $9 due_at,
-- $10 when the call began: arrays. Uses task_key_key, contact_card_id_idx, conversation_contact_id_idx,
-- call_conversation_id_idx.
INSERT INTO task (kind, title, contact_id, conversation_id, interaction_id, call_id, assignee_id, queue_id, due_at, key)
SELECT 'call_back', m.title, m.contact_id, m.conversation_id, m.interaction_id, m.call_id, m.assignee_id, m.queue_id,
    m.due_at, 'missed_call:' || m.call_id
FROM unnest(
    $1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[], $9::timestamptz[],
    $10::timestamptz[]
) AS m (
    call_id, title, contact_id, card_id, conversation_id, interaction_id, assignee_id, queue_id, due_at, started_at
)
WHERE NOT EXISTS (
    SELECT FROM contact AS o
    JOIN conversation AS v ON v.contact_id = o.id AND v.kind = 'call'
    JOIN call AS c ON c.conversation_id = v.id
    WHERE o.card_id = m.card_id AND c.state = 'finished' AND c.outcome = 'answered' AND c.direction IN ('in', 'out')
        AND c.started_at > m.started_at
)
ORDER BY m.call_id
ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING
RETURNING id

-- name: settle
-- Whoever was talked to need not be called back: the tasks of his missed calls up to then are done. $1 card, $2 when the
-- call began, $3 result, $4 agent: arrays. Locked in the order of ids. Uses contact_card_id_idx, task_contact_id_id_idx.
WITH reached AS (
    SELECT DISTINCT ON (t.id) t.id, r.result, r.agent_id
    FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::uuid[]) AS r (card_id, started_at, result, agent_id)
    JOIN contact AS o ON o.card_id = r.card_id
    JOIN task AS t ON t.contact_id = o.id AND t.state = 'open' AND starts_with(t.key, 'missed_call:')
    JOIN call AS c ON c.id = t.call_id AND c.started_at <= r.started_at
    ORDER BY t.id, r.started_at
), held AS (
    SELECT t.id FROM task AS t JOIN reached ON reached.id = t.id WHERE t.state = 'open' ORDER BY t.id FOR UPDATE OF t
)
UPDATE task AS t
SET state = 'done', result = reached.result, done_at = now(), done_by = reached.agent_id, remind_at = NULL,
    version = t.version + 1
FROM held JOIN reached ON reached.id = held.id
WHERE t.id = held.id AND t.state = 'open'
RETURNING t.id
