"""Calling a connector: what it is given, how long it may take, and the one place where anything it raises is caught."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, TypeVar

import aiohttp
import structlog

from config.errors import InDoubt, NotFound, Rejected, RetryLater, SendError
from connectors.base import Io, OutFile, OutMessage, Sent
from connectors.items import Address
from router.channels import Channel
from router.outbound.claims import Claim, Held, Lease
from router.outbound.states import FrozenFile
from storage.blobs import Blobs

log = structlog.get_logger()

GRACE_S = 5.0
"""Over the connector's own time-out, which knows better whether anything had left."""

T = TypeVar("T")
_lease: ContextVar[Lease | None] = ContextVar("outbound_lease", default=None)


@asynccontextmanager
async def guarded(session: aiohttp.ClientSession) -> AsyncIterator[aiohttp.ClientSession]:
    """The session, looking at the sender's lease once more between connecting and writing: a process that was frozen
    while it connected must not send what others have meanwhile taken from it.
    """

    async def look(_session: aiohttp.ClientSession, _context: SimpleNamespace, _params: Any) -> None:
        lease = _lease.get()
        if lease is not None and not lease.holds():
            raise RetryLater("the claim ran out before anything was sent")

    guard = aiohttp.TraceConfig()
    guard.on_connection_create_end.append(look)
    guard.on_connection_reuseconn.append(look)
    guard.freeze()
    async with session:
        session.trace_configs.append(guard)
        yield session


@dataclass(frozen=True)
class Provider:
    """The provider's end of a channel, for as long as the channel's settings stay the same."""

    channel: Channel
    io: Io
    blobs: Blobs

    async def send(self, held: Held) -> Sent | SendError:
        """One try; every way it can end is returned."""
        send = self.channel.connector.send
        if send is None:
            return Rejected("this channel can't send")
        token = _lease.set(held.lease)
        try:
            return await self._call(held.claim, lambda: send(self._message(held.claim), self.channel.settings, self.io))
        finally:
            _lease.reset(token)

    async def settle(self, claim: Claim) -> Sent | SendError | None:
        """What the provider's history says of a message in doubt; a SendError: it is still not known."""
        settle = self.channel.connector.settle
        if settle is None:
            return InDoubt("the connector can't ask")
        return await self._call(claim, lambda: settle(self._message(claim), self.channel.settings, self.io))

    async def _call(self, claim: Claim, call: Callable[[], Awaitable[T]]) -> T | SendError:
        try:
            async with asyncio.timeout(self.io.timeout_s + GRACE_S):
                return await call()
        except SendError as error:
            return error
        except TimeoutError:
            return InDoubt("the provider did not answer in time")
        except Exception as error:  # noqa: BLE001 - whatever a connector's code raises, bytes may have left by then
            name = type(error).__name__
            log.error(
                "connector_raised",
                channel_id=str(self.channel.id),
                outbound_id=str(claim.id),
                error=name,
                at=_where(error),
            )
            return InDoubt(f"the connector failed unexpectedly ({name})")

    def _message(self, claim: Claim) -> OutMessage:
        frozen = claim.message
        return OutMessage(
            id=str(claim.id),
            to=frozen.to,
            thread_key=claim.thread_key,
            text=frozen.text,
            subject=frozen.subject,
            html=frozen.html,
            files=[self._file(file) for file in frozen.files],
            reply_to=frozen.reply_to,
            references=frozen.references,
            meta=frozen.meta,
        )

    def _file(self, file: FrozenFile) -> OutFile:
        return OutFile(file.name, file.type, file.size, partial(self._read, file.blob))

    async def _read(self, blob: str) -> bytes:
        try:
            return await self.blobs.read(blob)
        except NotFound:
            raise Rejected("an attached file is no longer kept") from None


TYPING_S = 5.0


async def show_typing(channel: Channel, io: Io, to: Address, thread_key: str) -> None:
    """Tells the client's program that somebody writes to him. However it ends, that is all."""
    send = channel.connector.send
    if send is None:
        return
    message = OutMessage(id="", to=to, thread_key=thread_key, meta={"action": "typing"})
    try:
        async with asyncio.timeout(TYPING_S):
            await send(message, channel.settings, io)
    except Exception as error:  # noqa: BLE001 - a connector's code; a sign that is not shown harms nobody
        log.debug("typing_not_shown", channel_id=str(channel.id), error=type(error).__name__)


def _where(error: BaseException) -> str:
    """File and line that raised."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return "" if frame is None else f"{frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}"
