"""What must hold once everything is drained: nothing lost, doubled, out of order, or left without its other half."""

from __future__ import annotations

from collections.abc import Mapping

from tests.kill.harness import Site

ORPHANS = {
    "identity without its contact": """
        SELECT count(*) FROM identity AS i WHERE NOT EXISTS (SELECT FROM contact AS c WHERE c.id = i.contact_id)""",
    "contact without an identity": """
        SELECT count(*) FROM contact AS c WHERE NOT EXISTS (SELECT FROM identity AS i WHERE i.contact_id = c.id)""",
    "contact shown on no card": """
        SELECT count(*) FROM contact AS c WHERE NOT EXISTS (SELECT FROM contact AS d WHERE d.id = c.card_id)""",
    "contact without an interaction": """
        SELECT count(*) FROM contact AS c WHERE NOT EXISTS (SELECT FROM interaction AS n WHERE n.contact_id = c.id)""",
    "conversation without its contact or identity": """
        SELECT count(*) FROM conversation AS c
        WHERE NOT EXISTS (SELECT FROM contact AS k WHERE k.id = c.contact_id)
           OR NOT EXISTS (SELECT FROM identity AS i WHERE i.id = c.identity_id)""",
    "conversation without an interaction": """
        SELECT count(*) FROM conversation AS c
        WHERE NOT EXISTS (SELECT FROM interaction AS n WHERE n.conversation_id = c.id)""",
    "interaction without its contact, identity or conversation": """
        SELECT count(*) FROM interaction AS n
        WHERE NOT EXISTS (SELECT FROM contact AS c WHERE c.id = n.contact_id)
           OR NOT EXISTS (SELECT FROM identity AS i WHERE i.id = n.identity_id AND i.contact_id = n.contact_id)
           OR NOT EXISTS (SELECT FROM conversation AS v WHERE v.id = n.conversation_id)""",
    "interaction without its provider's id": """
        SELECT count(*) FROM interaction AS n
        WHERE NOT EXISTS (SELECT FROM external_ref AS r WHERE r.interaction_id = n.id)""",
    "provider's id without its interaction": """
        SELECT count(*) FROM external_ref AS r
        WHERE NOT EXISTS (SELECT FROM interaction AS n WHERE n.id = r.interaction_id)""",
    "journal entry without a result": """
        SELECT count(*) FROM journal AS j WHERE NOT EXISTS (SELECT FROM journal_result AS r WHERE r.entry_id = j.id)""",
    "result without its journal entry": """
        SELECT count(*) FROM journal_result AS r WHERE NOT EXISTS (SELECT FROM journal AS j WHERE j.id = r.entry_id)""",
    "interaction without exactly one event": """
        SELECT count(*) FROM (
            SELECT FROM interaction AS n
            LEFT JOIN event AS e
                ON e.type = 'interaction.created' AND e.data::json -> 'interaction' ->> 'id' = n.id::text
            GROUP BY n.id HAVING count(e.id) <> 1
        ) AS wrong""",
    "two holders of one conversation at once": """
        SELECT count(*) FROM (
            SELECT FROM assignment WHERE until IS NULL GROUP BY conversation_id HAVING count(*) > 1
        ) AS wrong""",
}
"""Each must count 0."""

TWICE = """
SELECT channel_id, external_id, count(*) FROM interaction GROUP BY channel_id, external_id HAVING count(*) > 1
"""
BY_STREAM = """
SELECT split_part(external_id, ':', 1)::bigint AS chat,
    array_agg(split_part(external_id, ':', 2)::int ORDER BY order_at, seq, id) AS numbers
FROM interaction GROUP BY chat
"""
BY_EVENTS = """
SELECT split_part(data::json -> 'interaction' ->> 'external_id', ':', 1)::bigint AS chat,
    array_agg(split_part(data::json -> 'interaction' ->> 'external_id', ':', 2)::int ORDER BY id) AS numbers
FROM event WHERE type = 'interaction.created' GROUP BY chat
"""
STATES = "SELECT state, count(*) FROM journal_result GROUP BY state"
COUNTS = """
SELECT (SELECT count(*) FROM journal) AS journal, (SELECT count(*) FROM interaction) AS interactions,
    (SELECT count(*) FROM contact) AS contacts, (SELECT count(*) FROM conversation) AS conversations
"""


async def no_orphans(site: Site) -> None:
    found = {what: await site.count(query) for what, query in ORPHANS.items()}
    assert not {what: count for what, count in found.items() if count}


async def whole(site: Site, sent: Mapping[int, int]) -> None:
    """`sent`: chat -> how many messages, numbered from 1, all of one channel. Asserts that all of them are there, once,
    in order, both in the stream and in the events, on one card and in one conversation a chat.
    """
    total = sum(sent.values())
    counts = dict((await site.fetch(COUNTS))[0])
    assert counts == {
        "journal": total,
        "interactions": total,
        "contacts": len(sent),
        "conversations": len(sent),
    }
    assert {row["state"]: row["count"] for row in await site.fetch(STATES)} == {"done": total}
    assert not await site.fetch(TWICE)
    for query in (BY_STREAM, BY_EVENTS):
        numbers = {row["chat"]: row["numbers"] for row in await site.fetch(query)}
        wrong = {chat: numbers.get(chat) for chat, n in sent.items() if numbers.get(chat) != [*range(1, n + 1)]}
        assert not wrong, f"lost, doubled or out of order in\n{query}"
        assert numbers.keys() == sent.keys()
    await no_orphans(site)
