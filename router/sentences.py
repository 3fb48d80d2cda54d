"""The reason of a decision: facts for machines and translations, and the same as one English sentence for people.

Facts: `step` (assignee, owner, deputy, previous, rule, channel, default, none, queue, returned, overflow), `agent` and `queue`
{id, name}, `rule`, `load` {busy, of}, `opens_at`, `waited_s`, `passed` [{role, id, name, why, until}] (who would have come
first and why not). Times are RFC 3339 in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from router.directory import Agent, Queue

Facts: TypeAlias = dict[str, Any]


def named(thing: Agent | Queue) -> dict[str, str]:
    return {"id": str(thing.id), "name": thing.name}


def instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def passed_over(role: str, agent_id: UUID, name: str, why: str, until: datetime | None = None) -> dict[str, str]:
    """One entry of `passed`. `why`: absent, inactive, offline, busy, no_calls, no_extension."""
    entry = {"role": role, "id": str(agent_id), "name": name, "why": why}
    return entry if until is None else entry | {"until": instant(until)}


def sentence(facts: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> str:
    """Such as "owner Anna absent until 01.12, deputy Boris, 2 of 5 busy"; dates in the given zone."""
    parts = [_passed(entry, zone, now) for entry in facts.get("passed", ())]
    parts.append(_STEPS[facts["step"]].format_map(_Names(facts)))
    if "load" in facts:
        parts.append("{busy} of {of} busy".format_map(facts["load"]))
    if "waited_s" in facts:
        parts.append(f"waited {span(facts['waited_s'])}")
    if facts.get("offline"):
        parts.append("offline now, it waits")
    if "opens_at" in facts:
        parts.append(_closed(facts["opens_at"], zone, now))
    return ", ".join(parts)


_STEPS = {
    "assignee": "open conversation of {agent}",
    "owner": "owner {agent}",
    "deputy": "deputy {agent}",
    "previous": "{agent} answered before",
    "rule": "rule {rule}: {target}",
    "channel": "queue {queue} of the channel",
    "default": "default queue {queue}",
    "none": "no queue exists: create one",
    "queue": "queue {queue}: {agent}",
    "returned": "back in queue {queue}",
    "overflow": "queue {from} did not answer: queue {queue}",
}


class _Names(dict[str, str]):
    """The names that the sentences above may use."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        agent, queue = facts.get("agent", {}).get("name", ""), facts.get("queue", {}).get("name", "")
        former = facts.get("from", {}).get("name", "")
        target = agent or f"queue {queue}"
        super().__init__({"agent": agent, "queue": queue, "from": former, "rule": facts.get("rule", "")}, target=target)


_WHY = {
    "inactive": "no longer active",
    "offline": "offline",
    "busy": "on a call",
    "no_calls": "takes no calls",
    "no_extension": "without an extension",
}


def _passed(entry: Mapping[str, str], zone: ZoneInfo, now: datetime) -> str:
    who = f"{entry['role']} {entry['name']}"
    if entry["why"] == "absent":
        return f"{who} absent until {_when(entry['until'], zone, now)}"
    return f"{who} {_WHY[entry['why']]}"


def _closed(opens_at: str | None, zone: ZoneInfo, now: datetime) -> str:
    return "closed" if opens_at is None else f"closed until {_when(opens_at, zone, now)}"


def _when(text: str, zone: ZoneInfo, now: datetime) -> str:
    """The time today or tomorrow, else the date, with its year when that is not obvious."""
    at, today = datetime.fromisoformat(text).astimezone(zone), now.astimezone(zone)
    if at - today < timedelta(hours=24):
        return f"{at:%H:%M}" if at.date() == today.date() else f"{at:%d.%m %H:%M}"
    return f"{at:%d.%m}" if at - today < timedelta(days=300) else f"{at:%d.%m.%Y}"


def span(seconds: float) -> str:
    """14 s, 3 min, 2 h 5 min, 4 days."""
    whole = max(int(seconds), 0)
    if whole < 120:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} days"
