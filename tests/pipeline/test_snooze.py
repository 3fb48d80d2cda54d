"""A client who writes does not wait until his conversation's snooze is over."""

from __future__ import annotations

from router.snooze import wake_snoozed
from tests.pipeline.pipe import Pipe, message


async def test_a_new_message_wakes_a_snoozed_conversation(pipe: Pipe) -> None:
    """The client's next message opens it at once, and the sweep finds nothing left to wake."""
    await pipe.give(message(1, "Торт готов?"))
    await pipe.rows("UPDATE conversation SET status = 'snoozed', snoozed_until = now() + interval '1 hour', unread = 0")
    await pipe.give(message(2, "Ну что?"))
    (row,) = await pipe.rows("SELECT status, snoozed_until, unread FROM conversation")
    assert tuple(row) == ("open", None, 1)
    assert await wake_snoozed(pipe.store) == 0
    assert [e["conversation"]["status"] for e in await pipe.events()] == ["open", "open"]
