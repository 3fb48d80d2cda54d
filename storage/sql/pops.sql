-- name: pops
-- What the screen pop shows of these clients: card, company, owner, what was last, what is open. One statement for all
-- calls of a batch. $1 card, $2 the call's own interaction, which is no news: arrays. Uses contact_card_id_idx,
-- interaction_contact_id_order_at_seq_id_idx (three rows of each partition at most), task_contact_id_id_idx.
SELECT k.id, k.name, k.vip, k.tags, k.owner_id, coalesce(o.name, '') AS owner_name, coalesce(f.name, '') AS company,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(l.*) - 'seq' ORDER BY l.at DESC, l.seq DESC, l.id DESC), '[]')
        FROM (
            SELECT i.id, i.order_at AS at, i.seq, i.kind, i.direction, i.channel_id, coalesce(h.name, '') AS channel_name,
                left(i.text, 200) AS text, coalesce(i.body -> 'call' ->> 'outcome', '') AS outcome
            FROM contact AS m
            CROSS JOIN LATERAL (
                SELECT * FROM interaction AS n
                WHERE n.contact_id = m.id AND n.id <> q.interaction_id AND n.deleted_at IS NULL
                ORDER BY n.order_at DESC, n.seq DESC, n.id DESC LIMIT 3
            ) AS i
            LEFT JOIN channel AS h ON h.id = i.channel_id
            WHERE m.card_id = k.id
            ORDER BY i.order_at DESC, i.seq DESC, i.id DESC LIMIT 3
        ) AS l
    ) AS last,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(t.*) ORDER BY t.due_at, t.id), '[]')
        FROM (
            SELECT t.id, t.kind, t.title, t.due_at, t.assignee_id
            FROM contact AS m JOIN task AS t ON t.contact_id = m.id
            WHERE m.card_id = k.id AND t.state = 'open' AND t.kind <> 'complaint'
            ORDER BY t.due_at, t.id LIMIT 3
        ) AS t
    ) AS tasks,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(t.*) ORDER BY t.due_at, t.id), '[]')
        FROM (
            SELECT t.id, t.kind, t.title, t.due_at, t.assignee_id
            FROM contact AS m JOIN task AS t ON t.contact_id = m.id
            WHERE m.card_id = k.id AND t.state = 'open' AND t.kind = 'complaint'
            ORDER BY t.due_at, t.id LIMIT 3
        ) AS t
    ) AS complaints
FROM unnest($1::uuid[], $2::uuid[]) AS q (card_id, interaction_id)
JOIN contact AS k ON k.id = q.card_id
LEFT JOIN agent AS o ON o.id = k.owner_id
LEFT JOIN contact AS f ON f.id = k.company_id
