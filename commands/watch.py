"""`main.py watch`: the stream of a running hub, a line an interaction, until Ctrl-C."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec

from commands.admin import beside
from config.settings import Settings
from storage.bus import Topic
from storage.db import DATABASE_ERRORS
from storage.events import StoredEvent, last_event_id, read_events

ARROWS = {"in": "←", "out": "→"}
SWEEP_S = 1.0


async def watch(settings: Settings) -> int:
    """Prints what happens from now on."""
    async with beside(settings) as (store, _), asyncio.TaskGroup() as tasks:
        tasks.create_task(store.bus.run(), name="bus")
        signal = store.bus.signal(Topic.EVENTS)
        async with store.pool.acquire() as connection:
            cursor = await last_event_id(connection)
        print(f"watching {settings.base_url}, Ctrl-C ends it", file=sys.stderr)
        while True:
            try:
                async with store.pool.acquire() as connection:
                    events = await read_events(connection, cursor, 500)
            except DATABASE_ERRORS as error:
                print(f"the database is away ({type(error).__name__}), waiting", file=sys.stderr)
                await asyncio.sleep(SWEEP_S)
                continue
            for event in events:
                cursor = event.id
                if line := line_of(event):
                    print(line, flush=True)
            if not events:
                await signal.wait(SWEEP_S)


def line_of(event: StoredEvent) -> str:
    """One event for a person; empty for those that say nothing to one."""
    data: dict[str, Any] = msgspec.json.decode(event.data)
    at = event.at[11:19]
    if event.type == "interaction.created":
        item, conversation = data["interaction"], data.get("conversation", {})
        name = conversation.get("contact_name") or (item.get("sender") or {}).get("name") or "?"
        text = " ".join(str(item.get("text") or item.get("subject") or f"[{item['kind']}]").split())
        where = conversation.get("assignment_reason", "")
        return f"{at} {ARROWS.get(item['direction'], '·')} {name[:24]:24} {text[:90]}" + (
            f"  ({where})" if where else ""
        )
    if event.type == "interaction.state":
        return f"{at} ✓ {data.get('state', '')} {data.get('error', '')}".rstrip()
    if event.type in {"conversation.assigned", "conversation.queued"}:
        return f"{at} ⇒ {data.get('reason', event.type)}"
    return ""
