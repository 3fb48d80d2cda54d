"""Two months of a bakery, told as episodes: who wrote or rang when, over what, who answered, and how it ended. Seeded."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from commands.demo.cast import AGENTS, SHOPS, STAFF, Client
from commands.demo.library import RECORDED_S
from commands.demo.phrases import NOTES, Topic, dialogue, pick_topic

DAYS = 60
TARGET = 3_000
"""Interactions, about."""

OPEN = 16
OPEN_FOR = timedelta(hours=26)
"""So many episodes are not over: of the last day, some answered, some not."""

ABSENT_SINCE = timedelta(days=3)
MIX: dict[str, float] = {"telegram": 44, "email": 12, "smsc": 12, "form": 8, "mango": 24}
END = ("resolved", "open", "waiting")


class Line(NamedTuple):
    """`agent`: the login of who wrote it, empty for the client; a `note` is for colleagues alone. `files`: of the library;
    `rich`: a letter in HTML, with its logo.
    """

    at: datetime
    text: str
    agent: str = ""
    note: bool = False
    files: tuple[str, ...] = ()
    rich: bool = False


@dataclass
class CallFacts:
    """Seconds; `talk_s` 0: nobody answered. `recording`: a file of the library, empty for none; `disposition`: its outcome."""

    outgoing: bool
    wait_s: int
    talk_s: int
    recording: str = ""
    disposition: str = ""


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
    shop: str = ""

    @property
    def ends_at(self) -> datetime:
        seconds = self.call.wait_s + self.call.talk_s if self.call else 0
        return max([self.at + timedelta(seconds=seconds), *(line.at for line in self.lines)])

    @property
    def size(self) -> int:
        """Interactions."""
        return len(self.lines) + (self.call is not None)

    @property
    def files(self) -> list[str]:
        recording = [self.call.recording] if self.call is not None and self.call.recording else []
        return recording + [name for line in self.lines for name in (*line.files, *(("logo",) if line.rich else ()))]


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
        _talk(rng, episode, company=client.company)
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


def _talk(rng: random.Random, episode: Episode, *, company: bool) -> None:
    at = episode.at
    told = dialogue(rng, episode.topic)
    if episode.via == "form":
        episode.lines, episode.shop = [Line(at, told[0].ask)], rng.choice(SHOPS)
        episode.lines.append(
            Line(_later(rng, at, 4, 40), "Перезвонили, " + episode.topic.disposition, episode.agent, True)
        )
        return
    slow = 8 if episode.via == "email" else 1
    for n, (ask, answer) in enumerate(told):
        episode.lines.append(_said(rng, episode, n, Line(at, ask), company=company))
        at = _later(rng, at, 1, 9 * slow)
        episode.lines.append(_answered(rng, episode, n, Line(at, answer, episode.agent)))
        if n == 0 and rng.random() < 0.06:
            episode.lines.append(Line(_later(rng, at, 0.5, 1), rng.choice(NOTES), episode.agent, True))
            at = episode.lines[-1].at
        at = _later(rng, at, 1, 7 * slow)


PHOTOS = {"complaint": ("crushed", "pie"), "cake_order": ("cake",), "wedding": ("cake",), "birthday": ("cake",)}


def _said(rng: random.Random, episode: Episode, n: int, line: Line, *, company: bool) -> Line:
    """With what a client sends beside words: a photo, a receipt, a letter with a logo; or he dictates."""
    if episode.via == "email":
        return line._replace(rich=company and n == 0)
    if episode.via != "telegram":
        return line
    if episode.topic.key == "complaint" and n < 2:
        return line._replace(files=(rng.choice(PHOTOS["complaint"]) if n == 0 else "receipt",))
    if n == 1 and rng.random() < 0.05:
        return line._replace(text="", files=(rng.choice(("voice1", "voice2")),))
    return line


def _answered(rng: random.Random, episode: Episode, n: int, line: Line) -> Line:
    """With what the bakery sends: photos of cakes, the price list, the invoice."""
    if episode.topic.key == "wholesale" and episode.via in {"email", "telegram"}:
        return line._replace(files=(("price",) if n == 0 else ("invoice",) if n == 1 else ()))
    shows = episode.via in {"telegram", "email"} and n == 0 and episode.topic.key in {"birthday", "wedding"}
    return line._replace(files=PHOTOS[episode.topic.key]) if shows and rng.random() < 0.6 else line


def _later(rng: random.Random, at: datetime, least: float, most: float) -> datetime:
    """Minutes."""
    return at + timedelta(seconds=int(rng.uniform(least, most) * 60))


def _ring(rng: random.Random, episode: Episode) -> None:
    outgoing = rng.random() < 0.2
    answered = rng.random() < 0.85
    recorded = answered and rng.random() < 0.6
    talk_s = rng.choice(RECORDED_S) if recorded else int(rng.triangular(20, 420, 90)) if answered else 0
    waited_s = rng.randint(3, 14) if answered else rng.randint(20, 45)
    disposition = CALL_OUTCOMES.get(episode.topic.key, "консультация") if answered and rng.random() < 0.8 else ""
    episode.call = CallFacts(outgoing, waited_s, talk_s, f"call{talk_s}" if recorded else "", disposition)
    if answered and rng.random() < 0.25:
        episode.lines = [Line(_later(rng, episode.at, 8, 10), rng.choice(NOTES), episode.agent, True)]
    elif not answered and not outgoing:
        text = "Перезвонили, " + episode.topic.disposition
        episode.lines = [Line(_later(rng, episode.at, 5, 30), text, episode.agent, True)]


CALL_OUTCOMES = dict.fromkeys(("cake_order", "birthday", "wedding", "change", "wholesale"), "заказ принят")
CALL_OUTCOMES |= {"complaint": "жалоба"}
OWED = 3
"""Missed calls of the last day that nobody has called back yet, at most."""


def _owe_calls(found: list[Episode]) -> None:
    """The newest missed calls, one of a client, wait for somebody to call back."""
    owed: set[int] = set()
    later: set[int] = set()
    for episode in reversed(found):
        missed = episode.call is not None and not episode.call.talk_s and not episode.call.outgoing
        if missed and len(owed) < OWED and episode.client not in later:
            episode.end, episode.lines = "open", []
            owed.add(episode.client)
        later.add(episode.client)


def _leave_open(rng: random.Random, found: list[Episode]) -> None:
    """The newest written episodes, one of a client: the client has the last word in half of them; some wait in a queue."""
    _owe_calls(found)
    seen: set[int] = set()
    held = dict.fromkeys(AGENTS, 0)
    for episode in reversed(found):
        last_of_client = episode.client not in seen
        seen.add(episode.client)
        if not last_of_client or episode.via in {"mango", "form"} or held.get(episode.agent, 3) >= 3:
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
