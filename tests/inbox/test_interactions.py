from __future__ import annotations

from datetime import timedelta

from tests.inbox.conftest import START, World


async def test_stream_is_in_order(world: World) -> None:
    """Interactions come by order_at, then the provider's sequence, then id; descending is exactly the reverse."""
    conversation = await world.new_conversation(await world.new_contact(), assignee=world.anna)
    second = START + timedelta(seconds=1)
    late = await world.new_interaction(conversation, second, seq=2)
    last = await world.new_interaction(conversation, second, seq=3)
    first = await world.new_interaction(conversation, START, seq=9)
    middle = await world.new_interaction(conversation, second, seq=1)
    expected = [str(i) for i in (first, middle, late, last)]
    for path in (
        f"/interactions?conversation={conversation}",
        f"/interactions?channel={world.channel}",
        "/interactions",
        f"/interactions?conversation={conversation}&channel={world.channel}&kind=message&direction=in",
    ):
        joint = "&" if "?" in path else "?"
        for person in (world.api, world.anna):
            assert [item["id"] for item in await person.walk(path)] == expected
            assert [item["id"] for item in await person.walk(f"{path}{joint}order=desc")] == expected[::-1]


async def test_item_has_the_contract_keys(world: World) -> None:
    """An item shows the contract's names; keys without a value are absent; the contact is the card."""
    conversation = await world.new_conversation(await world.new_contact(), assignee=world.anna)
    sender = {"kind": "phone", "value": "+79001234567"}
    files = [{"name": "a.png", "type": "image/png", "size": 3}]
    await world.new_interaction(conversation, text="привет", body={"sender": sender, "attachments": files, "odd": 1})
    (item,) = (await world.api.get("/interactions")).items
    assert item["at"] == "2026-11-01T09:00:00Z"
    assert (item["kind"], item["direction"], item["text"]) == ("message", "in", "привет")
    assert (item["sender"], item["attachments"]) == (sender, files)
    assert {"received_at", "channel_id", "contact_id", "conversation_id"} <= set(item)
    assert not {"state", "sent_at", "html", "odd", "meta", "seq", "body"} & set(item)


async def test_contact_means_the_whole_card(world: World) -> None:
    """`contact=` of any member lists what came by all members, and other filters narrow it."""
    one, two, other = [await world.new_contact(name) for name in ("Пётр", "Пётр П.", "Анна")]
    talks = [await world.new_conversation(contact) for contact in (one, two, other)]
    for n, talk in enumerate(talks * 2):
        await world.new_interaction(talk, START + timedelta(minutes=n))
    merged = await world.api.call("POST", f"/contacts/{one}/merge", {"other_id": str(two)})
    assert merged.status == 201
    for member in (one, two):
        items = await world.api.walk(f"/interactions?contact={member}")
        assert [i["conversation_id"] for i in items] == [str(t) for t in (talks[0], talks[1]) * 2]
        assert {i["contact_id"] for i in items} == {str(one)}
    narrowed = await world.api.walk(f"/interactions?contact={one}&conversation={talks[1]}")
    assert len(narrowed) == 2
    assert await world.api.walk(f"/interactions?contact={one}&conversation={talks[2]}") == []


async def test_walk_is_complete_under_inserts(world: World) -> None:
    """What was there when a walk began is met exactly once, whatever arrives meanwhile."""
    conversation = await world.talk(count=20)
    before = {item["id"] for item in await world.api.walk("/interactions")}
    seen: list[str] = []
    cursor = ""
    n = 0
    while True:
        answer = await world.api.get(f"/interactions?limit=3{cursor}")
        seen.extend(item["id"] for item in answer.items)
        await world.new_interaction(conversation, START + timedelta(days=1, seconds=n))
        await world.new_interaction(conversation, START - timedelta(days=1, seconds=n))
        n += 1
        if answer.body["next"] is None or n > 60:
            break
        cursor = f"&after={answer.body['next']}"
        if before <= set(seen):
            break
    assert before <= set(seen)
    assert len(seen) == len(set(seen))


async def test_search_finds_words_newest_first(world: World) -> None:
    """Russian forms of a word are found, newest first, page after page; a minus takes away."""
    conversation = await world.new_conversation(await world.new_contact())
    texts = ["где мой заказ", "заказы пришли", "спасибо", "о заказе из Казани"]
    ids = [str(await world.new_interaction(conversation, START, text=text)) for text in texts]
    found = await world.api.walk("/interactions?q=заказ")
    assert [item["id"] for item in found] == [ids[3], ids[1], ids[0]]
    assert [i["id"] for i in await world.api.walk("/interactions?q=заказ -казань")] == [ids[1], ids[0]]
    assert (await world.api.get("/interactions?q=заказ&limit=1")).body["next"] is not None
    assert await world.api.walk(f"/interactions?q=заказ&conversation={await world.talk()}") == []


async def test_search_reaches_back(world: World) -> None:
    """What arrived years ago is found behind what is new, each once, also where a page begins with one and ends with the other."""
    conversation = await world.new_conversation(await world.new_contact())
    await world.store.pool.execute(
        "CREATE TABLE interaction_p2023 PARTITION OF interaction"
        " FOR VALUES FROM ('01850000-0000-0000-0000-000000000000') TO ('018d0000-0000-0000-0000-000000000000')"
    )
    new = [str(await world.new_interaction(conversation, START, text=f"заказ {n}")) for n in range(5)]
    await world.store.pool.execute(
        "INSERT INTO interaction (id, order_at, kind, direction, channel_id, conversation_id, contact_id, received_at, text)"
        " SELECT ('0186' || substr(id::text, 5))::uuid, order_at, kind, direction, channel_id, conversation_id,"
        " contact_id, received_at, text FROM interaction"
    )
    old = ["0186" + id_[4:] for id_ in new]
    found = await world.api.walk("/interactions?q=заказ")
    assert [item["id"] for item in found] == [*reversed(new), *reversed(old)]


async def test_one_item_and_what_stands_around_it(world: World) -> None:
    """An item by its id; the stream from its moment on, and before it, together are the whole stream once."""
    conversation = await world.talk(assignee=world.anna, count=9)
    every = await world.anna.walk(f"/interactions?conversation={conversation}")
    middle = (await world.anna.get(f"/interactions/{every[4]['id']}")).body
    assert middle == every[4]
    path = f"/interactions?conversation={conversation}"
    later = await world.anna.walk(f"{path}&since={middle['at']}")
    earlier = await world.anna.walk(f"{path}&order=desc&until={middle['at']}")
    assert [*reversed(earlier), *later] == every
    assert (await world.boris.get(f"/interactions/{middle['id']}")).status == 404


async def test_search_within_a_time(world: World) -> None:
    """Hits say whose they are, and are narrowed by their moment."""
    await world.talk(assignee=world.anna, count=3)
    found = await world.anna.walk(f"/interactions?q=слово&since={(START + timedelta(seconds=1)).isoformat()[:19]}Z")
    assert {item["text"] for item in found} == {"слово 1", "слово 2"}
    assert {item["contact_name"] for item in found} == {"Пётр"}
    until = await world.anna.walk(f"/interactions?q=слово&until={(START + timedelta(seconds=1)).isoformat()[:19]}Z")
    assert [item["text"] for item in until] == ["слово 0"]
