-- name: cards_of
-- The cards these contacts show on. $1 ids. Uses contact_pkey.
SELECT id, card_id FROM contact WHERE id = ANY ($1::uuid[])

-- name: lock_card
-- A card, held until the end. $1 id. Uses contact_pkey.
SELECT card_id, kind, erased_at IS NOT NULL AS erased FROM contact WHERE id = $1 FOR UPDATE

-- name: members
-- All that show on these cards. $1 card ids. Uses contact_card_id_idx.
SELECT id, card_id, name, company_id, owner_id, custom, tags, vip, timezone, language, birthday, source, created_at
FROM contact WHERE card_id = ANY ($1::uuid[])

-- name: live_merges
-- Merges into these contacts that were not undone, oldest first. $1 ids. Uses contact_merge_survivor_id_idx.
SELECT id, survivor_id, merged_id, before
FROM contact_merge WHERE survivor_id = ANY ($1::uuid[]) AND undone_at IS NULL
ORDER BY id

-- name: merge_of
-- $1 merge's id. Uses contact_merge_pkey.
SELECT id, survivor_id, merged_id, undone_at FROM contact_merge WHERE id = $1

-- name: insert_merge
-- $1 survivor, $2 merged, $3 by, $4 at, null = now, $5 what was given. contact_merge_merged_id_live_key guards it.
INSERT INTO contact_merge (survivor_id, merged_id, by, at, before)
VALUES ($1, $2, $3, coalesce($4::timestamptz, now()), $5)
RETURNING id

-- name: rewrite_merges
-- What later merges give once an earlier one is undone. $1 ids, $2 documents: arrays.
UPDATE contact_merge AS m SET before = w.before
FROM unnest($1::uuid[], $2::jsonb[]) AS w (id, before)
WHERE m.id = w.id

-- name: end_merge
-- $1 id, $2 by, $3 at, null = now, $4 parts that stay with the survivor. No row: it was undone already.
UPDATE contact_merge
SET undone_at = coalesce($3::timestamptz, now()), undone_by = $2, before = before || jsonb_build_object('kept', $4::jsonb)
WHERE id = $1 AND undone_at IS NULL
RETURNING id

-- name: show_on
-- These contacts show on another card from now on. $1 ids, $2 card.
UPDATE contact SET card_id = $2, version = version + 1, updated_at = now() WHERE id = ANY ($1::uuid[])

-- name: write_fields
-- $1 id, $2 name, $3 sort_name, $4 company_id, $5 owner_id, $6 custom, $7 tags, $8 vip, $9 timezone, $10 language,
-- $11 birthday, $12 source.
UPDATE contact
SET name = $2, sort_name = $3, company_id = $4, owner_id = $5, custom = $6, tags = $7, vip = $8, timezone = $9,
    language = $10, birthday = $11, source = $12, version = version + 1, updated_at = now()
WHERE id = $1

-- name: settle_suggestions
-- Suggestions between members of what is now one card. $1 member ids, $2 by. Uses merge_suggestion_first_id_second_id_key.
UPDATE merge_suggestion SET state = 'merged', decided_by = $2
WHERE first_id = ANY ($1::uuid[]) AND second_id = ANY ($1::uuid[]) AND state = 'open'

-- name: reopen_between
-- Suggestions that a merge settled are open again once it is undone: whether the two are one is anybody's guess as before.
-- What somebody had dismissed stays so. $1, $2 member ids of the two sides.
UPDATE merge_suggestion SET state = 'open', decided_by = NULL
WHERE state = 'merged'
  AND ((first_id = ANY ($1::uuid[]) AND second_id = ANY ($2::uuid[]))
    OR (first_id = ANY ($2::uuid[]) AND second_id = ANY ($1::uuid[])))

-- name: remember_apart
-- Who merges two cards that nobody had suggested, and takes them apart, has looked: the hub does not suggest them by
-- itself. $1, $2 the ends of the undone merge, $3 by.
INSERT INTO merge_suggestion (first_id, second_id, reason, score, state, decided_by)
VALUES (least($1::uuid, $2::uuid), greatest($1::uuid, $2::uuid), 'merged and taken apart again', 0, 'dismissed', $3)
ON CONFLICT (first_id, second_id) DO NOTHING

-- name: lock_identity
-- $1 id. Uses identity_pkey.
SELECT id, contact_id FROM identity WHERE id = $1 FOR UPDATE

-- name: relink_identity
-- $1 identity, $2 contact. A link made by hand is sure.
UPDATE identity SET contact_id = $2, source = 'manual', confidence = 1 WHERE id = $1

-- name: relink_conversations
-- Open threads with this address go on with its new contact. $1 identity, $2 former contact, $3 new one.
-- Uses conversation_contact_id_idx.
UPDATE conversation SET contact_id = $3, version = version + 1
WHERE contact_id = $2 AND identity_id = $1 AND status <> 'resolved'
RETURNING id
