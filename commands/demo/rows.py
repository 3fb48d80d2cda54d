"""Episodes as rows of the stream's tables, just as the router would have written them while they happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from commands.demo.cast import STAFF
from commands.demo.columns import COLUMNS
from commands.demo.history import Episode, Line
from commands.demo.letters import LOGO
from commands.demo.library import FILES
from commands.demo.phrases import QueueKey
from connectors.email.threading import digest
from connectors.items import Address, Call
from router import callstate
from router.callstate import CallEvent
from router.outbound.states import Frozen, freeze
from router.sentences import Facts, passed_over, sentence
from router.threads import REOPEN_DAYS, snippet
from router.understand import to_document
from storage.blobs import Kept

KINDS = {"email": "email", "form": "form", "mango": "call"}
STATES = {"telegram": "sent", "smsc": "delivered", "email": "sent"}
OUR_NUMBER = "+78162500100"
RULES: dict[QueueKey, str] = {"wholesale": "Опт", "cakes": "Торты и праздники"}


class Named(NamedTuple):
    """An agent or a queue there is."""

    id: UUID
    name: str


class Reached(NamedTuple):
    """A client's address on one channel."""

    contact_id: UUID
    identity_id: UUID
    address: Address


@dataclass
class Thread:
    """A conversation while its episodes are told."""

    id: UUID
    first: Episode
    reached: Reached
    thread_key: str
    previous_id: UUID | None
    root: str = ""
    """Message-ID of a mail that began it."""
    lines: list[tuple[Line, bool]] = field(default_factory=list)
    last: Episode | None = None
    assigned: list[list[Any]] = field(default_factory=list)


@dataclass
class Writer:
    """`rows` by table. `agents` by login, `queues` by key, `channels` by connector; `ids` ascending UUIDv7; `kept`: the
    library's files; `letters`: HTML of a client's letter, harmless, by client and words.
    """

    agents: dict[str, Named]
    queues: dict[QueueKey, Named]
    channels: dict[str, UUID]
    zone: ZoneInfo
    ids: Iterator[UUID]
    absent_until: datetime
    kept: Mapping[str, Kept]
    letter: Callable[[int, str], str]
    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: {name: [] for name in COLUMNS})
    threads: dict[tuple[str, str], Thread] = field(default_factory=dict)
    messages: dict[str, int] = field(default_factory=dict)
    sources: dict[int, dict[str, Any]] = field(default_factory=dict)
    pending: list[tuple[Any, ...]] = field(default_factory=list)

    def tell(self, episodes: Sequence[Episode], reached: dict[tuple[int, str], Reached]) -> None:
        """All of them, in order; `reached`: (client, connector) -> his address there."""
        for n, episode in enumerate(episodes):
            thread = self._thread(episode, n, reached[episode.client, episode.via])
            self._assign(thread, episode)
            if episode.call is not None:
                self._call(thread, episode, f"demo-{n:05d}")
            for line in episode.lines:
                self._line(thread, episode, line)
            thread.last = episode
        for thread in self.threads.values():
            self._conversation(thread)
        self._renumber()

    def _thread(self, episode: Episode, n: int, reached: Reached) -> Thread:
        """Messengers go on in one thread for as long as it may be re-opened; a letter, form or call is its own."""
        own = {"mango": f"demo-{n:05d}", "form": f"form-{n:05d}", "email": digest(_mail_id(n))}
        key = own.get(episode.via, reached.address.value)
        known = self.threads.get((episode.via, key))
        if known is not None and known.last is not None:
            if episode.at - known.last.ends_at < timedelta(days=REOPEN_DAYS):
                return known
            self._conversation(known)
        thread = Thread(next(self.ids), episode, reached, key, known.id if known is not None else None, _mail_id(n))
        self.threads[episode.via, key] = thread
        return thread

    # ------------------------------------------------------------ who had it

    def _assign(self, thread: Thread, episode: Episode) -> None:
        queue = self.queues[episode.topic.queue]
        if episode.call is not None:
            name = self.agents[episode.agent].name
            reason = f"answered by {name}" if episode.call.talk_s else f"missed call: queue {queue.name}: {name}"
            if episode.call.outgoing and not episode.call.talk_s:
                reason = "outgoing call, missed"
            self._hold(thread, episode.agent, None, episode.at, {}, reason)
            return
        if episode.owned:
            self._hold(thread, episode.agent, None, episode.at, self._owner_facts(episode))
            return
        rule = RULES.get(episode.topic.queue)
        facts: Facts = {"step": "rule" if rule else "default", "queue": {"id": str(queue.id), "name": queue.name}}
        self._hold(thread, "", queue.id, episode.at, facts | ({"rule": rule} if rule else {}))
        if episode.agent:
            agent = self.agents[episode.agent]
            taken: Facts = {"step": "queue", "agent": {"id": str(agent.id), "name": agent.name}}
            taken |= {"queue": facts["queue"], "load": {"busy": 1 + episode.at.minute % 4, "of": 8}}
            self._hold(thread, episode.agent, queue.id, episode.at + timedelta(milliseconds=40), taken)

    def _owner_facts(self, episode: Episode) -> Facts:
        agent = self.agents[episode.agent]
        facts: Facts = {"step": "owner", "agent": {"id": str(agent.id), "name": agent.name}}
        if episode.via_deputy:
            absent = self.agents[episode.via_deputy]
            facts["step"] = "deputy"
            facts["passed"] = [passed_over("owner", absent.id, absent.name, "absent", self.absent_until)]
        return facts

    def _hold(  # noqa: PLR0917 - the columns of an assignment
        self, thread: Thread, login: str, queue: UUID | None, since: datetime, facts: Facts, reason: str = ""
    ) -> None:
        if thread.assigned:
            thread.assigned[-1][4] = since
        reason = reason or sentence(facts, self.zone, since)
        agent = self.agents[login].id if login else None
        thread.assigned.append([thread.id, agent, queue, since, None, reason, facts])

    # ------------------------------------------------------------ what was said

    def _line(self, thread: Thread, episode: Episode, line: Line) -> None:
        agent = self.agents[line.agent] if line.agent else None
        out = bool(agent) and not line.note
        external_id = "" if line.note else self._external_id(episode, thread)
        sender = {"kind": "agent", "value": str(agent.id), "name": agent.name} if agent else thread.reached.address
        body: dict[str, Any] = {"sender": to_document(sender)}
        if episode.via == "email" and not line.note:
            body["subject"] = episode.topic.subject if not thread.lines else f"Re: {episode.topic.subject}"
        if episode.via == "form" and not line.note:
            body |= self._form(episode, line, thread.reached)
        files = self._files(line, line.at, self.channels[episode.via])
        if files:
            body["attachments"] = files
        if line.rich:
            body |= {"html": self.letter(episode.client, line.text), "meta": {"inline": {LOGO: len(line.files)}}}
        kind = "note" if line.note else "form" if episode.via == "form" else "message"
        state = STATES[episode.via] if out else None
        self._interaction(thread, line.at, kind, line.text, body, external_id, state, agent.id if agent else None)
        thread.lines.append((line, out))
        if out and agent is not None:
            self._outbound(thread, line, external_id, agent.id, episode)

    def _files(self, line: Line, at: datetime, channel_id: UUID) -> list[dict[str, Any]]:
        """The files of the interaction that comes next; a letter's logo is the last."""
        names = (*line.files, "logo") if line.rich else line.files
        return [self._file(name, at, channel_id) for name in names]

    def _file(self, name: str, at: datetime, channel_id: UUID, called: str = "") -> dict[str, Any]:
        """Kept already. Its interaction's id is the next but for the attachment's own: filled in by `_interaction`."""
        file, kept = FILES[name], self.kept[name]
        file_id = next(self.ids)
        called = called or file.name
        self.pending.append((file_id, channel_id, called, file.type, kept.size, kept.sha256, at))
        return {"id": str(file_id), "name": called, "type": file.type, "size": kept.size, "state": "kept"}

    def _form(self, episode: Episode, line: Line, reached: Reached) -> dict[str, Any]:
        """As the form's connector reads it: fields, source, consent."""
        address, source = reached.address, self.sources.get(episode.client, {})
        fields = [
            {"name": "name", "value": address.name, "role": "name"},
            {"name": "phone", "value": address.value, "role": "phone"},
            {"name": "message", "value": line.text, "role": "message"},
            {"name": "shop", "label": "Где забрать", "value": episode.shop},
            {"name": "agree", "label": "Согласие на обработку данных", "value": "да"},
        ]
        utm = [{"name": key, "value": str(value)} for key, value in source.items() if key.startswith("utm_")]
        meta = {"fields": fields + utm, "form": {"name": episode.topic.subject}, "source": source, "consent": True}
        return {"subject": episode.topic.subject, "meta": meta}

    def _external_id(self, episode: Episode, thread: Thread) -> str:
        """As the provider numbers: per chat in Telegram, else anything of its own."""
        count = self.messages[thread.thread_key] = self.messages.get(thread.thread_key, 0) + 1
        if episode.via == "telegram":
            return f"{thread.thread_key}:{count}"
        if episode.via == "email":
            return thread.root if count == 1 else f"{count}.{thread.root}"
        return thread.thread_key if episode.via == "form" else f"demo-{thread.thread_key}-{count}"

    def _interaction(  # noqa: PLR0917 - the columns that differ
        self,
        thread: Thread,
        at: datetime,
        kind: str,
        text: str,
        body: dict[str, Any],
        external_id: str,
        state: str | None,
        agent_id: UUID | None,
    ) -> UUID:
        interaction_id = next(self.ids)
        channel_id = self.channels[thread.first.via]
        direction = "out" if agent_id is not None or body.get("call", {}).get("direction") == "out" else "in"
        reached = thread.reached
        self.rows["interaction"].append(
            (
                *(
                    interaction_id,
                    at,
                    0,
                    kind,
                    direction,
                    channel_id,
                    thread.id,
                    reached.contact_id,
                    reached.identity_id,
                ),
                *(agent_id if direction == "out" else None, external_id, at, at, text, body, state),
            )
        )
        for file_id, channel, *rest, file_at in self.pending:
            self.rows["attachment"].append((file_id, interaction_id, channel, *rest, "kept", file_at))
        self.pending.clear()
        if external_id:
            ref = kind if kind in {"call", "form"} else "message"
            self.rows["external_ref"].append((channel_id, ref, external_id, interaction_id))
        return interaction_id

    def _outbound(self, thread: Thread, line: Line, external_id: str, agent_id: UUID, episode: Episode) -> None:
        subject = f"Re: {episode.topic.subject}" if episode.via == "email" else ""
        message = freeze(
            Frozen(to=thread.reached.address, due_at=line.at.astimezone(UTC), text=line.text, subject=subject)
        )
        interaction_id = self.rows["interaction"][-1][0]
        place = (interaction_id, thread.id, self.channels[episode.via], thread.thread_key, thread.reached.identity_id)
        state = STATES[episode.via]
        delivered = line.at + timedelta(seconds=4) if state == "delivered" else None
        self.rows["outbound"].append(
            (*place, state, message, agent_id, 1, line.at, [external_id], line.at, line.at, delivered)
        )

    def _call(self, thread: Thread, episode: Episode, external_id: str) -> None:
        facts = episode.call
        assert facts is not None
        extension = next(person.extension for person in STAFF if person.login == episode.agent)
        talked, ends = (
            episode.at + timedelta(seconds=facts.wait_s),
            episode.at + timedelta(seconds=facts.wait_s + facts.talk_s),
        )
        common = Call(
            state="started",
            direction="out" if facts.outgoing else "in",
            client=thread.reached.address.value,
            our_number=OUR_NUMBER,
            employee=extension,
        )
        events = [CallEvent(at=episode.at, call=_with(common, state="ringing"))]
        if facts.talk_s:
            events.append(CallEvent(at=talked, call=_with(common, state="talking")))
        outcome = "answered" if facts.talk_s else "missed"
        end = _with(common, state="finished", outcome=outcome, talk_s=facts.talk_s, wait_s=facts.wait_s)
        events = callstate.add(events, [CallEvent(at=ends, call=end)])
        view = callstate.reduce(events)
        recording_id, files = None, []
        if facts.recording:
            called = f"Звонок {episode.at.astimezone(self.zone):%Y-%m-%d %H-%M}.wav"
            files = [self._file(facts.recording, ends, self.channels["mango"], called)]
            recording_id, view.recording = UUID(files[0]["id"]), files[0]["id"]
        shown = to_document(view) | ({"disposition": facts.disposition} if facts.disposition else {})
        body = {"sender": to_document(thread.reached.address), "call": shown} | (
            {"attachments": files} if files else {}
        )
        agent = self.agents[episode.agent].id if facts.outgoing else None
        interaction_id = self._interaction(thread, episode.at, "call", "", body, external_id, None, agent)
        self.rows["call"].append(
            (
                *(
                    self.channels["mango"],
                    external_id,
                    thread.id,
                    interaction_id,
                    view.state,
                    view.outcome,
                    view.direction,
                ),
                *(view.client, view.our_number, view.employee, view.started_at, view.answered_at, view.finished_at),
                *(view.talk_s, view.wait_s, to_document(events), recording_id, facts.disposition),
            )
        )

    # ------------------------------------------------------------ what is left of it

    def _renumber(self) -> None:
        """What was said earlier has the lower id, whichever conversation it is in: ids stand for the order of arrival."""
        said = sorted(self.rows["interaction"], key=lambda row: (row[1], row[0]))
        new = dict(zip((row[0] for row in said), sorted(row[0] for row in said), strict=True))
        places = {"interaction": 0, "external_ref": 3, "outbound": 0, "call": 3, "attachment": 1}
        for table, place in places.items():
            self.rows[table] = [_renumbered(row, place, new) for row in self.rows[table]]

    def _conversation(self, thread: Thread) -> None:
        """The conversation as its last episode left it."""
        first, last = thread.first, thread.last
        assert last is not None
        _, agent_id, queue_id, since, _, reason, _ = thread.assigned[-1]
        spoken = [line for line, _ in thread.lines if not line.note]
        asked = [line.at for line in spoken if not line.agent] or [first.at]
        answered = next((line.at for line, out in thread.lines if out), None)
        resolved = last.end == "resolved"
        unread = 0 if resolved else 1 if last.call is not None else _unread(spoken)
        self.rows["conversation"].append(
            (
                *(thread.id, self.channels[first.via], thread.thread_key, KINDS.get(first.via, "message")),
                *(thread.reached.contact_id, thread.reached.identity_id, "resolved" if resolved else "open"),
                *(agent_id, queue_id, since if last.end == "waiting" else None, reason),
                *(first.topic.subject if first.via in {"email", "form"} else "", thread.previous_id),
                *(spoken[-1].at if spoken else last.at, asked[-1], snippet(spoken[-1].text) if spoken else "", unread),
                *(answered, last.ends_at + timedelta(minutes=3) if resolved else None),
                *(last.topic.disposition if resolved else "", list(last.topic.tags), first.at),
            )
        )
        self.rows["assignment"] += [tuple(row) for row in thread.assigned]
        wrote = {line.agent: line for line, _ in thread.lines if line.agent}
        for login, line in wrote.items():
            why = "noted" if line.note else "replied"
            self.rows["conversation_participant"].append((thread.id, self.agents[login].id, line.at, why))


def _mail_id(n: int) -> str:
    return f"{n:05d}.demo@example.org"


def _renumbered(row: tuple[Any, ...], place: int, new: dict[UUID, UUID]) -> tuple[Any, ...]:
    return (*row[:place], new[row[place]], *row[place + 1 :])


def _with(call: Call, **changes: Any) -> Call:
    values = {name: getattr(call, name) for name in call.__struct_fields__} | changes
    return Call(**values)


def _unread(spoken: Sequence[Line]) -> int:
    """What the client said since our last word."""
    count = 0
    for line in reversed(spoken):
        if line.agent:
            break
        count += 1
    return count
