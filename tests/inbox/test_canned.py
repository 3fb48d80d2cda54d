from __future__ import annotations

import pytest

from storage.canned import fill
from tests.inbox.conftest import Person, World


async def _add(person: Person, shortcut: str, text: str = "да", **more: object) -> str:
    answer = await person.call("POST", "/canned", {"shortcut": shortcut, "text": text, **more})
    assert answer.status == 201, answer.body
    found: str = answer.body["id"]
    return found


async def _found(person: Person, query: str) -> list[str]:
    return [item["shortcut"] for item in await person.walk(f"/canned{query}")]


async def test_shortcuts_before_words(world: World) -> None:
    """What is typed after the slash finds shortcuts that begin so, then texts with all the words, in any spelling of ё."""
    await _add(world.anna, "торт", "Торты на заказ")
    await _add(world.anna, "привет", "Здравствуйте! Торт готов")
    await _add(world.anna, "чай", "Чай горячий", kinds=["email"])
    assert await _found(world.anna, "?q=/тор") == ["торт", "привет"]
    assert await _found(world.anna, "?q=ГОТОВ%20здравствуйте") == ["привет"]
    assert await _found(world.anna, "?q=%25") == []
    assert set(await _found(world.anna, "?kind=telegram")) == {"торт", "привет"}
    assert set(await _found(world.anna, "?kind=email")) == {"торт", "привет", "чай"}


async def test_own_and_shared(world: World) -> None:
    """One's own are nobody else's; shared ones are everybody's, and the supervisors' to change."""
    own = await _add(world.anna, "мой")
    shared = await _add(world.sue, "общий", shared=True)
    assert set(await _found(world.anna, "")) == {"мой", "общий"}
    assert await _found(world.boris, "") == ["общий"]
    assert (await world.anna.call("POST", "/canned", {"shortcut": "x", "text": "x", "shared": True})).status == 403
    for person, one, status in (
        (world.boris, own, 404),
        (world.sue, own, 404),
        (world.boris, shared, 403),
        (world.sue, shared, 200),
        (world.anna, own, 200),
    ):
        assert (await person.call("PATCH", f"/canned/{one}", {"text": "иначе"})).status == status
    assert (await world.anna.call("PATCH", f"/canned/{own}", {"shared": True})).status == 403
    assert (await world.boris.call("DELETE", f"/canned/{own}")).status == 404
    assert (await world.boris.call("DELETE", f"/canned/{shared}")).status == 403
    assert (await world.sue.call("DELETE", f"/canned/{shared}")).status == 200
    assert await _found(world.anna, "") == ["мой"]


async def test_a_shortcut_is_one_persons_once(world: World) -> None:
    """The same shortcut twice, whatever its case, is a conflict; a colleague's or the shared one is another."""
    await _add(world.anna, "Hi")
    assert (await world.anna.call("POST", "/canned", {"shortcut": "hI", "text": "x"})).status == 409
    await _add(world.boris, "hi")
    await _add(world.sue, "hi", shared=True)
    for shortcut in ("", "a b", "/a", "a\n", "я" * 61):
        assert (await world.anna.call("POST", "/canned", {"shortcut": shortcut, "text": "x"})).status == 422


async def test_use_fills_in_and_counts(world: World) -> None:
    """The text comes with the client's and the agent's names; what is used most is offered first."""
    company = await world.new_contact("ООО «Ромашка»")
    contact = await world.new_contact("Иван")
    await world.store.pool.execute("UPDATE contact SET company_id = $2 WHERE id = $1", contact, company)
    talk = await world.new_conversation(contact, assignee=world.anna)
    await _add(world.anna, "а")
    one = await _add(world.anna, "я", "Здравствуйте, {name} из {company}! Это {agent}. {other}")
    answer = await world.anna.call("POST", f"/canned/{one}/use", {"conversation_id": str(talk)})
    assert answer.body == {"text": "Здравствуйте, Иван из ООО «Ромашка»! Это Anna. {other}"}
    assert await _found(world.anna, "") == ["я", "а"]
    assert (await world.boris.call("POST", f"/canned/{one}/use", {"conversation_id": str(talk)})).status == 404


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Здравствуйте, {name}!", "Здравствуйте!"),
        ("{name}, добрый день", "добрый день"),
        ("{agent} и {name}!", "Анна и!"),
        ("{name} {agent}", "Анна"),
    ],
)
def test_nobody_is_greeted_by_an_empty_name(text: str, expected: str) -> None:
    """A variable without a value takes along the comma and the space before it, at the beginning those behind it."""
    assert fill(text, {"name": "", "agent": "Анна"}) == expected
