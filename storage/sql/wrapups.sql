-- name: begin
-- Agents who have just hung up and can take other work: wrap-up. Who is away or gone stays so, and so does who set his
-- own wrap-up, or talks on another line. $1 agents, sorted, $2 until when: arrays, $3 now. Returns those it began for.
WITH free AS (
    SELECT p.agent_id, q.until_at
    FROM unnest($1::uuid[], $2::timestamptz[]) AS q (agent_id, until_at)
    JOIN presence AS p ON p.agent_id = q.agent_id
    WHERE (p.state = 'online' OR (p.state = 'wrap_up' AND EXISTS (
            SELECT FROM workspace_setting AS s
            WHERE s.key = 'wrap_up:' || p.agent_id AND (s.value ->> 'since')::timestamptz = p.since)))
      AND NOT EXISTS (
          SELECT FROM call AS c
          JOIN agent_extension AS e ON e.channel_id = c.channel_id AND e.extension = c.employee
          WHERE e.agent_id = p.agent_id AND c.state <> 'finished' AND c.state IN ('talking', 'held')
            AND c.started_at > $3::timestamptz - interval '4 hours')
    ORDER BY p.agent_id
    FOR NO KEY UPDATE OF p
), begun AS (
    UPDATE presence AS p SET state = 'wrap_up', reason = '', since = $3
    FROM free WHERE p.agent_id = free.agent_id
    RETURNING p.agent_id, free.until_at
)
INSERT INTO workspace_setting AS s (key, value)
SELECT 'wrap_up:' || b.agent_id, jsonb_build_object('until', b.until_at, 'since', $3::timestamptz)
FROM begun AS b ORDER BY b.agent_id
ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()
RETURNING substr(s.key, 9)::uuid AS agent_id, (s.value ->> 'until')::timestamptz AS until_at

-- name: extend
-- More time for an agent whose wrap-up goes on. $1 agent, $2 seconds. Returns its new end.
UPDATE workspace_setting AS s
SET value = s.value || jsonb_build_object(
        'until', greatest((s.value ->> 'until')::timestamptz, now()) + make_interval(secs => $2)), updated_at = now()
FROM presence AS p
WHERE s.key = 'wrap_up:' || $1::uuid AND p.agent_id = $1::uuid AND p.state = 'wrap_up'
  AND (s.value ->> 'since')::timestamptz = p.since
RETURNING (s.value ->> 'until')::timestamptz AS until_at

-- name: finish
-- Wrap-ups that are over. Who has changed his state himself keeps it. Returns who is back.
WITH over AS (
    SELECT p.agent_id, s.key
    FROM workspace_setting AS s
    JOIN presence AS p ON s.key = 'wrap_up:' || p.agent_id
    WHERE starts_with(s.key, 'wrap_up:') AND (s.value ->> 'until')::timestamptz <= now()
    ORDER BY p.agent_id
    FOR NO KEY UPDATE OF p SKIP LOCKED
), done AS (
    DELETE FROM workspace_setting AS s USING over
    WHERE s.key = over.key AND (s.value ->> 'until')::timestamptz <= now()
    RETURNING over.agent_id, (s.value ->> 'since')::timestamptz AS since
)
UPDATE presence AS p SET state = 'online', reason = '', since = now()
FROM done WHERE p.agent_id = done.agent_id AND p.state = 'wrap_up' AND p.since = done.since
RETURNING p.agent_id

-- name: states
-- What these agents do, and the call each is on. $1 agents, $2 now.
SELECT q.agent_id, coalesce(p.state, 'offline') AS state, coalesce(p.reason, '') AS reason, p.since,
    (
        SELECT c.id FROM agent_extension AS e
        JOIN call AS c ON c.channel_id = e.channel_id AND c.employee = e.extension
        WHERE e.agent_id = q.agent_id AND c.state <> 'finished' AND c.state IN ('talking', 'held')
          AND c.started_at > $2::timestamptz - interval '4 hours'
        ORDER BY c.answered_at DESC NULLS LAST LIMIT 1
    ) AS on_call
FROM unnest($1::uuid[]) AS q (agent_id)
LEFT JOIN presence AS p ON p.agent_id = q.agent_id
ORDER BY q.agent_id
