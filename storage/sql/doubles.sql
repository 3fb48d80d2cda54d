-- name: new_cards
-- Named cards behind a point of time, oldest first. $1 the id behind which (ids are UUIDv7), $2 how many. Uses contact_pkey.
SELECT id FROM contact
WHERE id > $1 AND card_id = id AND name <> '' AND erased_at IS NULL
ORDER BY id LIMIT $2

-- name: names
-- $1 ids. Uses contact_pkey.
SELECT id, card_id, name, kind, company_id FROM contact WHERE id = ANY ($1::uuid[]) AND name <> '' AND erased_at IS NULL

-- name: alike
-- Contacts of other cards whose name looks like one of these spellings, the nearest first. $1 contact, $2 its card,
-- $3 kind, $4 spelling: arrays; $5 how many of each. Uses contact_name_trgm_idx, with pg_trgm.similarity_threshold.
SELECT q.id AS asked, other.*
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS q (id, card_id, kind, spelling)
CROSS JOIN LATERAL (
    SELECT c.id, c.card_id, c.name, c.kind, c.company_id
    FROM contact AS c
    WHERE translate(lower(c.name), 'ё', 'е') % q.spelling
      AND c.card_id <> q.card_id AND c.kind = q.kind AND c.erased_at IS NULL
    ORDER BY similarity(translate(lower(c.name), 'ё', 'е'), q.spelling) DESC, c.id
    LIMIT $5
) AS other

-- name: colleagues
-- Contacts of the same company on other cards. $1 contact, $2 its card, $3 company: arrays; $4 how many of each.
-- Uses contact_company_id_idx.
SELECT q.id AS asked, other.*
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS q (id, card_id, company_id)
CROSS JOIN LATERAL (
    SELECT c.id, c.card_id, c.name, c.kind, c.company_id
    FROM contact AS c
    WHERE c.company_id = q.company_id AND c.card_id <> q.card_id AND c.kind = 'person' AND c.erased_at IS NULL
    LIMIT $4
) AS other

-- name: suggest
-- Pairs of cards, unless the two, or two contacts that show on them, were suggested before, whatever came of it.
-- $1 first, $2 second (first < second), $3 reason, $4 score: arrays. Uses contact_card_id_idx, merge_suggestion_first_id_second_id_key.
INSERT INTO merge_suggestion (first_id, second_id, reason, score)
SELECT s.first_id, s.second_id, s.reason, s.score
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::float8[]) AS s (first_id, second_id, reason, score)
WHERE NOT EXISTS (
    SELECT
    FROM contact AS one
    JOIN contact AS two ON two.card_id IN (s.first_id, s.second_id) AND two.card_id <> one.card_id
    JOIN merge_suggestion AS earlier ON earlier.first_id = one.id AND earlier.second_id = two.id
    WHERE one.card_id IN (s.first_id, s.second_id)
)
ORDER BY s.first_id, s.second_id
ON CONFLICT (first_id, second_id) DO NOTHING
RETURNING id
