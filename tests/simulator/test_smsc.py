"""The connector against SMSC's stand-in: both sides of the protocol over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from config.errors import BadChannel, BadSignature, InDoubt, RateLimited, Rejected, RetryLater
from connectors.base import Io, OutMessage, Payload, Sent
from connectors.items import Address, Item
from connectors.sms.smsc import connector
from connectors.sms.smsc_send import number_of, send, settle
from connectors.sms.smsc_tables import DLR, SmscSettings
from simulator.smsc import Fault, SmscSimulator, settings_for
from tests.simulator.serving import serving

PHONE = "79161234567"


class Hook:
    """The hub's address: verifies and keeps what comes; answers 503 `refusals` times first."""

    def __init__(self) -> None:
        self.url = ""
        self.refusals = 0
        self.kept: list[Payload] = []
        self.settings = SmscSettings.model_validate({"secret": "hubsecret"})

    async def handle(self, request: web.Request) -> web.Response:
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503)
        headers = {name.lower(): value for name, value in request.headers.items()}
        payload = Payload(
            body=await request.read(), headers=headers, query=request.rel_url.raw_query_string, method=request.method
        )
        connector.verify(payload, self.settings)
        self.kept.append(payload)
        return web.Response(body=connector.ok.body)

    def items(self) -> list[Item]:
        return [item for payload in self.kept for item in connector.normalize(payload, self.settings)]


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    found = Hook()
    async with serving(found.handle) as found.url:
        yield found


@pytest.fixture
async def sim(hook: Hook) -> AsyncIterator[SmscSimulator]:
    async with SmscSimulator(hook=hook.url, backoff_s=0.01) as server:
        yield server


@pytest.fixture
async def io() -> AsyncIterator[Io]:
    async with aiohttp.ClientSession() as http:
        yield Io(http=http, timeout_s=0.5)


def settings_of(sim: SmscSimulator, **more: Any) -> SmscSettings:
    return SmscSettings.model_validate(settings_for(sim, **more))


def message_of(text: str = "Заказ готов", number: int = 1, phone: str = "+" + PHONE) -> OutMessage:
    outbound = f"0198c0de-0000-7000-8000-{number:012}"
    return OutMessage(id=outbound, to=Address("phone", phone), thread_key=phone, text=text)


async def test_client_is_heard_as_often_as_he_writes(sim: SmscSimulator, hook: Hook) -> None:
    """Two SMS of one wording are two, in their order, each signed; 503 makes SMSC repeat, and repeats have one key."""
    hook.refusals = 2
    await sim.client_writes(PHONE, "да")
    sim.copies = 2
    await sim.client_writes(PHONE, "да")
    await sim.wait(lambda: not sim.waiting)
    keys = [connector.peek(payload, hook.settings).dedup for payload in hook.kept]
    assert keys == ["mo:900001", "mo:900002", "mo:900002"]
    assert [item.external_id for item in hook.items()] == ["900001", "900002", "900002"]
    assert {connector.peek(payload, hook.settings).lane for payload in hook.kept} == {"+" + PHONE}
    for payload in hook.kept:
        with pytest.raises(BadSignature):
            connector.verify(payload, SmscSettings.model_validate({"secret": "another"}))


async def test_by_get_and_sha1(sim: SmscSimulator, hook: Hook) -> None:
    """The same when the account calls by GET and signs by SHA-1."""
    sim.by_get, sim.digest = True, "sha1"
    hook.settings = SmscSettings.model_validate({"secret": "hubsecret", "digest": "sha1"})
    await sim.client_writes(PHONE, "Добрый день & спасибо + 1")
    await sim.client_rings(PHONE)
    await sim.wait(lambda: not sim.waiting)
    assert [item.kind for item in hook.items()] == ["message", "ignored"]
    assert hook.items()[0].text == "Добрый день & спасибо + 1"


async def test_reports_name_the_message_as_the_answer_did(sim: SmscSimulator, hook: Hook, io: Io) -> None:
    """Reports, in whatever order and however often, carry the id that `send` returned."""
    sim.reports, sim.copies = (1, 0), 2
    sent = await send(message_of(), settings_of(sim), io)
    await sim.wait(lambda: not sim.waiting)
    assert [(i.external_id, i.status) for i in hook.items()] == [
        (sent.external_ids[0], status) for status in ("delivered", "delivered", "sent", "sent")
    ]
    assert {connector.peek(payload, hook.settings).klass.name for payload in hook.kept} == {"STATUS"}
    assert sent.meta == {"parts": 1, "price": "2.50", "balance": "997.50"}


async def test_answer_to_us_names_what_it_answers(sim: SmscSimulator, hook: Hook, io: Io) -> None:
    """`sms_id` of an incoming SMS leads to our message."""
    sim.reports = ()
    sent = await send(message_of(), settings_of(sim), io)
    await sim.client_writes(PHONE, "ok", sms_id=str(sim.sent[0].id))
    await sim.wait(lambda: not sim.waiting)
    assert hook.items()[0].reply_to == sent.external_ids[0]


async def test_lost_answer_is_settled_not_repeated(sim: SmscSimulator, io: Io) -> None:
    """A hang after the SMS was taken is in doubt; asked, SMSC knows it; the phone got it once."""
    sim.faults.append(Fault("hang_after"))
    with pytest.raises(InDoubt):
        await send(message_of(), settings_of(sim), io)
    settled = await settle(message_of(), settings_of(sim), io)
    assert settled == Sent((f"{sim.sent[0].id}:{PHONE}",), {"provider_status": 1})
    assert len(sim.sent) == 1


@pytest.mark.parametrize("kind", ["hang_before", "drop_before"])
async def test_lost_request_is_settled_as_not_sent(sim: SmscSimulator, io: Io, kind: Any) -> None:
    """A request that never got there is in doubt as well; asked, SMSC knows nothing, and the next try goes out."""
    sim.faults.append(Fault(kind))
    with pytest.raises(InDoubt):
        await send(message_of(), settings_of(sim), io)
    assert await settle(message_of(), settings_of(sim), io) is None
    await send(message_of(), settings_of(sim), io)
    assert len(sim.sent) == 1


async def test_repeat_within_a_minute(sim: SmscSimulator, io: Io) -> None:
    """Our own repeat is recognised as sent; another message of the same words waits; neither reaches the phone twice."""
    first = await send(message_of(), settings_of(sim), io)
    again = await send(message_of(), settings_of(sim), io)
    assert again.external_ids == first.external_ids
    with pytest.raises(RateLimited) as caught:
        await send(message_of(number=2), settings_of(sim), io)
    assert (caught.value.after_s, caught.value.whole_channel) == (60.0, False)
    assert len(sim.sent) == 1


async def test_refusals(sim: SmscSimulator, io: Io) -> None:
    """A wrong password and an empty account stop the channel, a wrong number only its message."""
    with pytest.raises(BadChannel):
        await send(message_of(), settings_of(sim, psw="another"), io)
    sim.faults.append(Fault("error", code=8, text="can't be delivered"))
    with pytest.raises(Rejected) as caught:
        await send(message_of(), settings_of(sim), io)
    assert caught.value.address_is_bad
    sim.balance = 1.0
    with pytest.raises(BadChannel):
        await send(message_of(), settings_of(sim), io)
    assert not sim.sent


async def test_check(sim: SmscSimulator, io: Io) -> None:
    """One line for people: the balance; a wrong password or silence says so."""
    assert connector.check is not None
    assert await connector.check(settings_of(sim, sender="HUB"), io) == "balance 1000.00, sender HUB"
    with pytest.raises(BadChannel):
        await connector.check(settings_of(sim, psw="another"), io)
    sim.faults.append(Fault("hang_before", script="balance"))
    with pytest.raises(RetryLater):
        await connector.check(settings_of(sim), io)


def test_number_is_stable_and_fits() -> None:
    """Each try of a message has one number; many messages have different ones, all within SMSC's 31 bits."""
    numbers = [number_of(f"0198c0de-0000-7000-8000-{n:012}") for n in range(2000)]
    assert numbers == [number_of(f"0198c0de-0000-7000-8000-{n:012}") for n in range(2000)]
    assert all(1 <= number < 1 << 31 for number in numbers)
    assert len(set(numbers)) > 1995


def test_every_documented_status_is_known() -> None:
    """No status of the manual comes out as unknown, and a failed one says why and what follows."""
    for status in (-3, -2, -1, 0, 1, 2, 3, 4, 20, 22, 23, 24, 25):
        body = f"id=1&phone={PHONE}&status={status}".encode()
        item = connector.normalize(Payload(body=body), SmscSettings())[0]
        assert "not known" not in item.reason
        assert (item.status == "failed") == (item.error is not None)
        assert DLR[status].status == item.status


def test_without_id_and_time_nothing_claims_to_be_the_same() -> None:
    """Two SMS that only the journal's window could tell apart get no id of their own."""
    payload = Payload(body=f"phone={PHONE}&mes=%D0%B4%D0%B0&to=79160000000".encode())
    item = connector.normalize(payload, SmscSettings())[0]
    assert (item.text, item.external_id, connector.peek(payload, SmscSettings()).dedup) == ("да", "", "")
    assert connector.dedup_window_s == 600
