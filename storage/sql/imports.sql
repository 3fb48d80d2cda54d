-- name: holders
-- Whose these addresses are. $1 kinds, $2 scopes, $3 values: arrays. Uses identity_kind_scope_value_key, contact_pkey.
SELECT a.kind, a.scope, a.value, m.card_id
FROM unnest($1::text[], $2::text[], $3::text[]) AS q (kind, scope, value)
JOIN identity AS a ON (a.kind, a.scope, a.value) = (q.kind, q.scope, q.value)
JOIN contact AS m ON m.id = a.contact_id

-- name: companies
-- Companies by their names. $1 sort names. Uses contact_sort_name_id_idx.
SELECT DISTINCT ON (k.sort_name) k.sort_name, k.id FROM contact AS k
WHERE k.sort_name = ANY ($1::text[]) AND k.kind = 'company' AND k.card_id = k.id ORDER BY k.sort_name, k.id

-- name: new_ids
-- $1 how many.
SELECT uuidv7() AS id FROM generate_series(1, $1::int)

-- name: add_identities
-- $1 kinds, $2 scopes, $3 values, $4 contacts: arrays, sorted. Those that are there already are not returned.
INSERT INTO identity (kind, scope, value, contact_id, source)
SELECT q.kind, q.scope, q.value, q.contact_id, 'import'
FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) AS q (kind, scope, value, contact_id)
ON CONFLICT (kind, scope, value) DO NOTHING
RETURNING kind, scope, value

-- name: lock_cards
-- Cards about to be changed, in the order of ids. $1 ids. Uses contact_pkey.
SELECT id, kind, name, company_id, owner_id, custom, tags, vip, timezone, language, birthday, source
FROM contact WHERE id = ANY ($1::uuid[]) AND erased_at IS NULL ORDER BY id FOR UPDATE

-- name: add_contact
INSERT INTO contact (id, card_id, kind, name, sort_name, company_id, owner_id, custom, tags, vip, timezone, language,
                     birthday, source)
VALUES ($1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)

-- name: change_contact
UPDATE contact SET kind = $2, name = $3, sort_name = $4, company_id = $5, owner_id = $6, custom = $7, tags = $8, vip = $9,
    timezone = $10, language = $11, birthday = $12, source = $13, updated_at = now(), version = version + 1
WHERE id = $1

-- name: add_consents
-- $1 contacts, $2 channel kind, $3 purpose, $4 source.
INSERT INTO consent (contact_id, channel_kind, purpose, given, source)
SELECT c.id, $2, $3, true, $4 FROM unnest($1::uuid[]) AS c (id)

-- name: suggest
-- Pairs that a row shows to be one. $1, $2 cards: arrays, $3 why: array. A pair that was decided upon stays decided.
INSERT INTO merge_suggestion (first_id, second_id, reason, score)
SELECT DISTINCT ON (least(p.one, p.two), greatest(p.one, p.two)) least(p.one, p.two), greatest(p.one, p.two), p.why, 0.8
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS p (one, two, why) WHERE p.one <> p.two
ON CONFLICT (first_id, second_id) DO NOTHING

-- name: open_jobs
-- What is to be done, oldest first. Uses import_job_waiting_idx.
SELECT id, state, done_rows FROM import_job WHERE state IN ('waiting', 'running') ORDER BY id

-- name: lock_job
-- One that nobody else has in hand. $1 id.
SELECT id, name, blob, columns, mapping, state, rows, done_rows, made, changed, refused, errors_blob, created_by
FROM import_job WHERE id = $1 AND state IN ('waiting', 'running') FOR UPDATE SKIP LOCKED

-- name: progress
-- $1 id, $2 to $5 counts to be added: done, made, changed, refused; $6 newest error file; $7 state.
UPDATE import_job
SET done_rows = done_rows + $2, made = made + $3, changed = changed + $4, refused = refused + $5,
    errors_blob = coalesce($6, errors_blob), state = $7,
    finished_at = CASE WHEN $7 IN ('done', 'failed', 'cancelled') THEN now() END
WHERE id = $1

-- name: fail
-- $1 id, $2 why.
UPDATE import_job SET state = 'failed', error = $2, finished_at = now() WHERE id = $1

-- name: hold_blob
-- $1 digest, $2 size.
INSERT INTO blob AS b (sha256, size, refs) VALUES ($1, $2, 1) ON CONFLICT (sha256) DO UPDATE SET refs = b.refs + 1

-- name: release_blob
-- $1 digest.
UPDATE blob SET refs = greatest(refs - 1, 0) WHERE sha256 = $1

-- name: agents
-- Whom a row may name as the owner.
SELECT id, login, name FROM agent WHERE active

-- name: note_unused
-- $1 digest, $2 size. Whoever frees blobs looks whether anybody holds it.
INSERT INTO blob (sha256, size, refs) VALUES ($1, $2, 0) ON CONFLICT (sha256) DO NOTHING
