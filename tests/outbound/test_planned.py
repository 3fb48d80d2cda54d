"""Messages for later: what leaves is what was written last, and what was taken back never does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from config.errors import Conflict
from router.outbound.planned import change_planned
from router.outbound.replies import cancel_reply
from storage.bus import Topic
from tests.outbound.provider_stub import Hub


async def test_what_leaves_is_what_was_written_last(hub: Hub) -> None:
    """Put forward to now, a planned message leaves with its new text; one taken back does not, and one sent can't change."""
    now = datetime.now(UTC)
    anna = await hub.client()
    planned = await hub.queued(anna, "завтра", send_at=now + timedelta(days=1))
    undone = await hub.queued(anna, "ой", send_at=now + timedelta(seconds=1))
    async with hub.store.pool.acquire() as connection, connection.transaction():
        await cancel_reply(connection, undone, now)
    async with hub.sending():
        async with hub.store.pool.acquire() as connection, connection.transaction():
            await change_planned(connection, planned, text="сегодня", send_at=now, now=now)
        hub.store.bus.notify(Topic.OUTBOUND)
        await hub.becomes(planned, "sent")
        later = await hub.queued(anna, "потом", send_at=now + timedelta(seconds=1))
        await hub.becomes(later, "sent")
        async with hub.store.pool.acquire() as connection, connection.transaction():
            with pytest.raises(Conflict):
                await change_planned(connection, planned, text="вчера", send_at=None, now=now)
    assert hub.provider.texts == ["сегодня", "потом"]
    assert await hub.state(undone) == "cancelled"
