"""Two months of a bakery, told as episodes: who wrote or rang when, over what, who answered, and how it ended. Seeded."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from commands.demo.cast import AGENTS, STAFF, Client
from commands.demo.phrases import NOTES, Topic, dialogue, pick_topic

DAYS = 60
TARGET = 3_000
"""Interactions, about."""

OPEN = 12
OPEN_FOR = timedelta(hours=26)
"""So many episodes are not over: of the last day, some answered, some not."""

ABSENT_SINCE = timedelta(days=3)
MIX: dict[str, float] = {"telegram": 44, "email": 12, "smsc": 12, "form": 8, "mango": 24}
END = ("resolved", "open", "waiting")


class Line(NamedTuple):
    """`agent`: the login of who wrote it, empty for the client; a `note` is for colleagues alone."""

    at: datetime
    text: str
    agent: str = ""
    note: bool = False


@dataclass
class CallFacts:
    """Seconds; `talk_s` 0: nobody answered."""

    outgoing: bool
    wait_s: int
    talk_s: int


@dataclass
class Episode:
    """`client`: place in the list of clients; `agent`: login, empty while it waits; `via_deputy`: for whom he stands in."""

    client: int
    via: str
    topic: Topic
    at: datetime
    agent: str
    owned: bool = False
    via_deputy: str = ""
    lines: list[Line] = field(default_factory=list)
    call: CallFacts | None = None
    end: Literal["resolved", "open", "waiting"] = "resolved"

    @property
    def ends_at(self) -> datetime:
        seconds = self.call.wait_s + self.call.talk_s if self.call else 0
        return max([self.at + timedelta(seconds=seconds), *(line.at for line in self.lines)])

    @property
    def size(self) -> int:
        return len(self.lines) + (self.call is not None)


def episodes(
    rng: random.Random, clients: Sequence[Client], channels: Sequence[str], now: datetime, zone: ZoneInfo
) -> list[Episode]:
    """In the order they began. `channels`: names of the connectors there are, some of MIX."""
    found: list[Episode] = []
    busy: dict[tuple[int, str], list[tuple[datetime, datetime]]] = {}
    size = 0
    while size < TARGET:
        episode = _episode(rng, clients, channels, _moment(rng, now, zone), now)
        if episode is None or episode.ends_at > now - timedelta(minutes=10):
            continue
        spans = busy.setdefault((episode.client, episode.via), [])
        if any(start < episode.ends_at + _GAP and episode.at < end + _GAP for start, end in spans):
            continue
        spans.append((episode.at, episode.ends_at))
        found.append(episode)
        size += episode.size
    found.sort(key=lambda episode: episode.at)
    _leave_open(rng, [episode for episode in found if episode.at > now - OPEN_FOR])
    return found


_GAP = timedelta(hours=2)


def _moment(rng: random.Random, now: datetime, zone: ZoneInfo) -> datetime:
    """Weekends and afternoons are busier."""
    while True:
        day = now.astimezone(zone).date() - timedelta(days=rng.randrange(DAYS + 1))
        if day.isoweekday() < 5 and rng.random() < 0.3:
            continue
        minute = int(rng.triangular(7.5 * 60, 22 * 60, 15 * 60))
        return datetime.combine(day, time(minute // 60, minute % 60, rng.randrange(60)), zone)


def _episode(
    rng: random.Random, clients: Sequence[Client], channels: Sequence[str], at: datetime, now: datetime
) -> Episode | None:
    who = rng.choices(range(len(clients)), [client.talks for client in clients])[0]
    client = clients[who]
    ways = [name for name in channels if _reaches(client, name)]
    if not ways:
        return None
    via = rng.choices(ways, [MIX[name] for name in ways])[0]
    topic = pick_topic(rng, wholesale=client.company)
    agent, via_deputy = _answerer(rng, client, topic, absent=at > now - ABSENT_SINCE)
    episode = Episode(who, via, topic, at, agent, owned=bool(client.owner), via_deputy=via_deputy)
    if via == "mango":
        _ring(rng, episode)
    else:
        _talk(rng, episode)
    return episode


def _reaches(client: Client, connector: str) -> bool:
    if connector == "telegram":
        return bool(client.telegram)
    return bool(client.email) if connector == "email" else not (client.company and connector in {"smsc", "form"})


def _answerer(rng: random.Random, client: Client, topic: Topic, *, absent: bool) -> tuple[str, str]:
    """(login, for whom he stands in)."""
    if client.owner:
        owner = next(person for person in STAFF if person.login == client.owner)
        return (owner.deputy, owner.login) if absent and owner.deputy else (owner.login, "")
    able = [p for p in STAFF if topic.queue in p.queues and not (absent and p.deputy)]
    return rng.choice(able).login, ""


def _talk(rng: random.Random, episode: Episode) -> None:
    at = episode.at
    told = dialogue(rng, episode.topic)
    if episode.via == "form":
        episode.lines = [Line(at, told[0].ask)]
        episode.lines.append(
            Line(_later(rng, at, 4, 40), "Перезвонили, " + episode.topic.disposition, episode.agent, True)
        )
        return
    slow = 8 if episode.via == "email" else 1
    for n, (ask, answer) in enumerate(told):
        episode.lines.append(Line(at, ask))
        at = _later(rng, at, 1, 9 * slow)
        episode.lines.append(Line(at, answer, episode.agent))
        if n == 0 and rng.random() < 0.06:
            episode.lines.append(Line(_later(rng, at, 0.5, 1), rng.choice(NOTES), episode.agent, True))
            at = episode.lines[-1].at
        at = _later(rng, at, 1, 7 * slow)


def _later(rng: random.Random, at: datetime, least: float, most: float) -> datetime:
    """Minutes."""
    return at + timedelta(seconds=int(rng.uniform(least, most) * 60))


def _ring(rng: random.Random, episode: Episode) -> None:
    outgoing = rng.random() < 0.2
    answered = rng.random() < 0.85
    talk_s = int(rng.triangular(20, 420, 90)) if answered else 0
    episode.call = CallFacts(outgoing, rng.randint(3, 14) if answered else rng.randint(20, 45), talk_s)
    if answered and rng.random() < 0.25:
        episode.lines = [Line(_later(rng, episode.at, 8, 10), rng.choice(NOTES), episode.agent, True)]
    elif not answered and not outgoing:
        text = "Перезвонили, " + episode.topic.disposition
        episode.lines = [Line(_later(rng, episode.at, 5, 30), text, episode.agent, True)]


def _leave_open(rng: random.Random, found: list[Episode]) -> None:
    """The newest written episodes, one of a client: the client has the last word in half of them; some wait in a queue."""
    seen: set[int] = set()
    held = dict.fromkeys(AGENTS, 0)
    for episode in reversed(found):
        last_of_client = episode.client not in seen
        seen.add(episode.client)
        if not last_of_client or episode.via in {"mango", "form"} or held.get(episode.agent, 2) >= 2:
            continue
        if len([e for e in found if e.end != "resolved"]) >= OPEN:
            return
        if not episode.owned and rng.random() < 0.4:
            episode.end, episode.agent, episode.lines = "waiting", "", episode.lines[:1]
        else:
            episode.end = "open"
            held[episode.agent] += 1
            if rng.random() < 0.6:
                episode.lines = episode.lines[: 1 if len(episode.lines) < 3 else 3]
