"""What an entry of the journal became, as the page links it."""

from __future__ import annotations

from storage.journal import NewEntry, insert, unique_key
from storage.journal_view import MAX_BECAME
from tests.inbox.conftest import START, World


async def _done(world: World, interactions: list[object]) -> int:
    """An entry that became these interactions."""
    async with world.store.pool.acquire() as connection:
        await insert(
            connection, [NewEntry(channel_id=world.channel, key=unique_key(), lane=1, body=b"{}", request=None)]
        )
        entry: int = await connection.fetchval("SELECT max(id) FROM journal")
        await connection.execute("DELETE FROM journal_todo WHERE entry_id = $1", entry)
        await connection.execute(
            "INSERT INTO journal_result (entry_id, state, interactions) VALUES ($1, 'done', $2)", entry, interactions
        )
    return entry


async def test_entry_leads_to_its_conversation(world: World) -> None:
    """Each interaction stands with its conversation and its first words, in their order."""
    conversation = await world.new_conversation(await world.new_contact())
    second = await world.new_interaction(conversation, START, seq=2, text="б" * 300)
    first = await world.new_interaction(conversation, START, seq=1, text="а")
    entry = await _done(world, [second, first])
    became = (await world.sue.get(f"/journal/{entry}")).body["became"]
    assert [one["id"] for one in became] == [str(first), str(second)]
    assert {one["conversation_id"] for one in became} == {str(conversation)}
    assert [one["text"] for one in became] == ["а", "б" * 200]
    assert became[0]["kind"] == "message"


async def test_what_is_gone_is_not_linked(world: World) -> None:
    """An interaction deleted since leaves no dead link, and an entry that became nothing has no list."""
    conversation = await world.new_conversation(await world.new_contact())
    gone = await world.new_interaction(conversation, START)
    entry, nothing = await _done(world, [gone]), await _done(world, [])
    await world.store.pool.execute("DELETE FROM interaction WHERE id = $1", gone)
    for one in (entry, nothing):
        assert not (await world.sue.get(f"/journal/{one}")).body.get("became")


async def test_an_archive_of_many_is_cut(world: World) -> None:
    """A payload that became thousands still opens: only the first of them are linked."""
    conversation = await world.new_conversation(await world.new_contact())
    many = [await world.new_interaction(conversation, START, seq=n) for n in range(MAX_BECAME + 2)]
    became = (await world.sue.get(f"/journal/{await _done(world, list(many))}")).body["became"]
    assert [one["id"] for one in became] == [str(one) for one in many[:MAX_BECAME]]
