"""The connector against Mango's stand-in: both sides of the protocol over real HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from config.errors import BadChannel, BadSignature, RateLimited, Rejected, RetryLater, TooBig
from connectors.base import Io, OutMessage, Payload, RouteAnswer, RouteQuestion
from connectors.items import Address, Attachment, Item
from connectors.telephony import mango_api
from connectors.telephony.mango import connector
from connectors.telephony.mango_api import signature
from connectors.telephony.mango_tables import MangoSettings
from simulator.mango import RECORDING, MangoSimulator
from tests.connectors.scripted import refused_base, scripted
from tests.simulator.serving import serving

KEY = "hubtestvpbxkey00000000000000000a"
SALT = "hubtestvpbxsalt0000000000000000b"
MARIA = "79990000011"
QUESTION = RouteQuestion("E1", "+79990000011", "+74950000001", "E1-L1")


@pytest.fixture
async def sim() -> AsyncIterator[MangoSimulator]:
    async with MangoSimulator(KEY, SALT) as server:
        server.route_every_s = 0
        yield server


@pytest.fixture
async def io() -> AsyncIterator[Io]:
    async with aiohttp.ClientSession() as http:
        yield Io(http=http, timeout_s=5.0)


@pytest.fixture
async def hook(sim: MangoSimulator) -> AsyncIterator[list[Payload]]:
    """What a hub would be called with, checked by the connector's own `verify`."""
    came: list[Payload] = []

    async def receive(request: web.Request) -> web.Response:
        payload = Payload(
            body=await request.read(),
            headers=request.headers,
            path="/" + request.match_info["tail"],
            method=request.method,
        )
        try:
            connector.verify(payload, settings_of(sim))
        except BadSignature:
            return web.Response(status=401)
        came.append(payload)
        return web.Response()

    async with serving(receive) as sim.hook:
        yield came


def settings_of(sim: MangoSimulator, **more: Any) -> MangoSettings:
    values = {"api_key": KEY, "api_salt": SALT, "base_url": sim.base_url, "route_every_s": 0}
    return MangoSettings.model_validate(values | more)


def items_of(came: list[Payload], sim: MangoSimulator) -> list[Item]:
    return [item for payload in came for item in connector.normalize(payload, settings_of(sim))]


# ---------------------------------------------------------------- signatures


@pytest.mark.parametrize(
    ("json", "sign"),
    [
        (
            (
                '{"entry_id":"ENTRY-0001","call_id":"CALL-0001-IVR","timestamp":1795000000,"seq":1,"call_state":"Appeared",'
                '"location":"ivr","from":{"number":"79990000011"},"to":{"number":"74950000001","line_number":"74950000001"}}'
            ),
            "d90a6d28a785b39b0fad171b67b8203e6c87b12525c9aef44a031f9cf9e03b44",
        ),
        (
            '{"command_id":"route-0001","call_id":"CALL-0001-IVR","to_number":"201"}',
            "499f19cdd8dded5ce5855a43a5f59bdd70bdf2ac5efdc1e593063a89016cef60",
        ),
        (
            '{"command_id":"cb-0001","from":{"extension":"201"},"to_number":"79990000011"}',
            "2ee7c220e3495991539db8fd78fb2b627597fe594bbbbc0508c6cc0b8d2a2815",
        ),
        ('{"name":"Иван"}', "4d5e41e6a348435ef469de8a5db46027b3ab0e7a742f7174fe70555791400442"),
    ],
)
def test_signature_vectors(json: str, sign: str) -> None:
    """The signature is sha256 over key, JSON as sent, and salt; these were computed by another program."""
    assert signature(KEY, json, SALT) == sign
    assert signature(KEY, json + " ", SALT) != sign


# ---------------------------------------------------------------- calls


async def test_every_event_is_signed_and_understood(sim: MangoSimulator, hook: list[Payload]) -> None:
    """Whole calls of each kind: every event passes `verify`, is read, and speaks of its call; summaries finish each."""
    played = [
        await sim.answered(MARIA),
        await sim.answered(MARIA, transfer=("202", "blind")),
        await sim.answered(MARIA, transfer=("202", "consultative")),
        await sim.answered(MARIA, transfer=("202", "return_blind")),
        await sim.missed(MARIA, ["201", "202"]),
        await sim.busy(MARIA),
        await sim.out_of_hours(""),
        await sim.dials("201", MARIA),
    ]
    assert set(sim.statuses) == {200}
    assert len(hook) == len(sim.told)
    items = items_of(hook, sim)
    calls = [item for item in items if item.kind == "call"]
    assert {item.external_id for item in calls} == {one.entry for one in played}
    finished = [item.external_id for item in calls if item.call is not None and item.call.state == "finished"]
    assert finished == [one.entry for one in played]
    assert {item.reason for item in items if item.kind == "ignored"} == {"a leg between employees"}


async def test_a_wrong_salt_is_refused(sim: MangoSimulator, hook: list[Payload]) -> None:
    """Events of a PBX with another salt come to nothing."""
    stranger = MangoSimulator(KEY, "another")
    async with stranger:
        stranger.hook = sim.hook
        await stranger.missed(MARIA)
    assert set(stranger.statuses) == {401}
    assert hook == []


async def test_peek_tells_the_same_of_a_repetition_only(sim: MangoSimulator, hook: list[Payload]) -> None:
    """Each event has a key of its own, its repetition the same, and all of a call one lane."""
    sim.repeat = 2
    played = await sim.answered(MARIA, transfer=("202", "consultative"))
    peeks = [connector.peek(payload, settings_of(sim)) for payload in hook]
    assert len({peek.dedup for peek in peeks}) * 2 == len(peeks)
    assert {peek.lane for peek in peeks} == {played.entry}


# ---------------------------------------------------------------- who takes it


async def test_only_a_first_leg_that_can_be_moved_asks(sim: MangoSimulator, hook: list[Payload]) -> None:
    """One question a call, by the leg in the greeting or queue; none when it rings at somebody, none for our own calls."""
    await sim.answered(MARIA)
    await sim.dials("201", MARIA)
    await sim.missed(MARIA)
    queued = sim.script(MARIA)
    leg = queued.new_leg()
    queued.leg(leg, "Appeared", "queue", queued.outside(), {"line_number": "74950000001", "acd_group": 900})
    await sim.play(queued)
    asked = [q for payload in hook if (q := connector.asks(payload, settings_of(sim))) is not None]
    assert [(q.client, q.our_number) for q in asked] == [("+79990000011", "+74950000001")] * 2
    assert asked[1] == RouteQuestion(queued.entry, "+79990000011", "+74950000001", leg)
    assert all(connector.asks(payload, settings_of(sim, route_calls=False)) is None for payload in hook)
    assert connector.asks(Payload(body=b"\xff{"), settings_of(sim)) is None


async def test_a_command_moves_the_call(sim: MangoSimulator, hook: list[Payload], io: Io) -> None:
    """The PBX rings whom we named, and the leg's echo of our command makes the call no click-to-call."""
    assert connector.route_command is not None
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(sim.answered(MARIA, "201", greeting_s=5), name="call")
        await sim.wait(lambda: len(hook) == 1)
        question = connector.asks(hook[0], settings_of(sim))
        assert question is not None
        await connector.route_command(RouteAnswer(["205", "206"], "Мария"), question, settings_of(sim), io)
    assert call.result().extension == "205"
    calls = [item.call for item in items_of(hook, sim) if item.call is not None]
    assert {call.direction for call in calls if call.direction} == {"in"}


@pytest.mark.parametrize("code", [4100, 4101])
async def test_too_late_is_no_failure(sim: MangoSimulator, io: Io, code: int) -> None:
    """The call was taken or is over: nothing to do about it, nothing to tell."""
    assert connector.route_command is not None
    sim.refuse = [code]
    await connector.route_command(RouteAnswer(["205"]), QUESTION, settings_of(sim), io)
    assert [command.code for command in sim.commands] == [code]


async def test_refusals_and_no_opinion(sim: MangoSimulator, io: Io) -> None:
    """An extension the PBX does not know is told; without an opinion nothing is commanded."""
    assert connector.route_command is not None
    sim.refuse = [3300]
    with pytest.raises(Rejected):
        await connector.route_command(RouteAnswer(["999"]), QUESTION, settings_of(sim), io)
    await connector.route_command(RouteAnswer(), QUESTION, settings_of(sim), io)
    assert len(sim.commands) == 1


async def test_another_process_used_the_turn(sim: MangoSimulator, io: Io) -> None:
    """Told to slow down: once more after the pause, while the greeting lasts."""
    assert connector.route_command is not None
    settings = settings_of(sim, route_every_s=0.2)
    sim.refuse = [4501]
    begun = time.monotonic()
    await connector.route_command(RouteAnswer(["205"]), QUESTION, settings, io)
    assert [command.code for command in sim.commands] == [4501, 4101]
    assert time.monotonic() - begun >= 0.2


async def test_turns_beyond_the_greeting_are_left_out(sim: MangoSimulator, io: Io) -> None:
    """More calls at once than can be routed in time: the surplus is refused at once, not sent when nobody waits."""
    assert connector.route_command is not None
    settings = settings_of(sim, route_every_s=0.2, route_patience_s=0.5)
    route = connector.route_command

    async def one() -> str:
        try:
            await route(RouteAnswer(["205"]), QUESTION, settings, io)
        except RateLimited:
            return "left out"
        return "sent"

    async with asyncio.TaskGroup() as tasks:
        given = [tasks.create_task(one()) for _ in range(6)]
    assert sorted(task.result() for task in given) == ["left out"] * 3 + ["sent"] * 3


# ---------------------------------------------------------------- click-to-call


async def test_click_to_call(sim: MangoSimulator, hook: list[Payload], io: Io) -> None:
    """Its receipt and its call come under the id we gave it; the client is the one called. Unanswered it is no talk."""
    assert connector.send is not None
    sim.client_answers = False
    sent = await connector.send(message_of("201"), settings_of(sim), io)
    await sim.wait(lambda: any(event.path == "/events/summary" for event in sim.told))
    receipt, *calls = items_of(hook, sim)
    assert (receipt.kind, receipt.external_id, receipt.status) == ("delivery", sent.external_ids[0], "delivered")
    assert {item.direction for item in calls} == {"out"}
    found = [item.call for item in calls if item.call is not None]
    assert found[0].aliases == list(sent.external_ids)
    assert {call.client for call in found} == {"+79990000011"}
    assert {call.employee for call in found} == {"201"}
    assert [call.outcome for call in found if call.state == "finished"] == ["missed"]
    assert "talking" not in {call.state for call in found}, "the employee's answer is not the client's"


async def test_click_to_call_of_an_unknown_extension(sim: MangoSimulator, io: Io) -> None:
    """The PBX says no: nothing rings."""
    assert connector.send is not None
    sim.extensions = {"201"}
    with pytest.raises(Rejected) as caught:
        await connector.send(message_of("999"), settings_of(sim), io)
    assert caught.value.provider_code == "3300"


def message_of(extension: str) -> OutMessage:
    to = Address(kind="phone", value="+79990000011")
    own = {"action": "call", "extension": extension}
    return OutMessage(id="0198c0de-0000-7000-8000-000000000001", to=to, thread_key="", meta=own)


# ---------------------------------------------------------------- recordings


async def test_a_recording_comes_whole(sim: MangoSimulator, io: Io) -> None:
    """Asked for with our key, fetched from where Mango points."""
    assert connector.fetch_media is not None
    sim.recordings["R1"] = RECORDING
    media = await connector.fetch_media(Attachment(id="R1"), settings_of(sim), io)
    assert b"".join([chunk async for chunk in media.chunks]) == RECORDING
    assert media.type == "audio/mpeg"


async def test_the_file_host_learns_no_key(io: Io) -> None:
    """The redirect is followed by hand: no form, no key, no signature goes with it."""
    answers = [{"status": 302, "headers": {"Location": "/files/x"}, "body": ""}, {"status": 200, "body": "ID3"}]
    assert connector.fetch_media is not None
    async with scripted(answers) as server:
        settings = MangoSettings.model_validate({"api_key": KEY, "api_salt": SALT, "base_url": server.base + "/vpbx"})
        media = await connector.fetch_media(Attachment(id="R1"), settings, io)
        assert b"".join([chunk async for chunk in media.chunks]) == b"ID3"
        first, second = server.asked
    assert (first.method, first.path, first.form["json"]) == (
        "POST",
        "/vpbx/queries/recording/post",
        {"recording_id": "R1", "action": "download"},
    )
    assert (second.method, second.path, second.form, second.text) == ("GET", "/files/x", {}, "")
    assert KEY not in str(second.headers)


async def test_a_recording_not_stored_yet(sim: MangoSimulator, io: Io) -> None:
    """Mango takes its time: asked again a minute later, not given up."""
    assert connector.fetch_media is not None
    with pytest.raises(RetryLater) as caught:
        await connector.fetch_media(Attachment(id="R1"), settings_of(sim), io)
    assert caught.value.after_s == 60


async def fetched(settings: MangoSettings, io: Io) -> bytes:
    assert connector.fetch_media is not None
    media = await connector.fetch_media(Attachment(id="R1"), settings, io)
    return b"".join([chunk async for chunk in media.chunks])


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([{"status": 200, "body": {"result": 4002}}], Rejected),
        ([{"status": 200, "body": ""}], RetryLater),
        ([{"status": 502, "body": ""}], RetryLater),
        ([{"drop": True}], RetryLater),
        ([{"status": 401, "body": {"code": 3102}}], BadChannel),
        ([{"status": 302, "headers": {"Location": "ftp://x/y"}}], Rejected),
        ([{"status": 302, "headers": {"Location": "/f"}}, {"status": 404}], RetryLater),
        ([{"status": 302, "headers": {"Location": "/f"}}, {"status": 403}], Rejected),
        ([{"status": 302, "headers": {"Location": "/f"}}, {"drop": True}], RetryLater),
    ],
)
async def test_a_recording_that_does_not_come(answers: list[dict[str, Any]], error: type[Exception], io: Io) -> None:
    """Each way not to get one is told apart: wait, never, or mend the channel; no library's error hangs on to it."""
    async with scripted(answers) as server:
        settings = MangoSettings.model_validate({"api_key": KEY, "api_salt": SALT, "base_url": server.base})
        with pytest.raises(error) as caught:
            await fetched(settings, io)
        assert not server.unused
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


async def test_a_recording_without_end(sim: MangoSimulator, io: Io, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit holds for what comes."""
    assert connector.fetch_media is not None
    monkeypatch.setattr(mango_api, "MAX_RECORDING_BYTES", 1000)
    sim.recordings["R1"] = RECORDING
    media = await connector.fetch_media(Attachment(id="R1"), settings_of(sim), io)
    with pytest.raises(TooBig):
        [chunk async for chunk in media.chunks]


# ---------------------------------------------------------------- set-up


async def test_check(sim: MangoSimulator, io: Io) -> None:
    """One line for people; a wrong key or salt is the admin's to mend, a PBX away is not."""
    assert connector.check is not None
    assert await connector.check(settings_of(sim), io) == "Mango at 127.0.0.1 accepts the key and the signature"
    for wrong in ({"api_key": "x" * 32}, {"api_salt": "x" * 32}, {"api_salt": ""}):
        with pytest.raises(BadChannel) as caught:
            await connector.check(settings_of(sim, **wrong), io)
        assert "x" * 32 not in str(caught.value)
    with pytest.raises(RetryLater):
        await connector.check(settings_of(sim, base_url=refused_base()), io)
