"""Calls routed while the provider waits, or right after: the question in a payload is answered beside its commit."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import structlog
from aiohttp import ClientSession, web

from config.errors import SendError
from connectors.base import Io, RouteAnswer, RouteQuestion
from router.channels import Channel
from router.pbx import CallRouter
from storage.journal import JournalWriter, NewEntry

log = structlog.get_logger()
WAITING = 1000
AT_ONCE = 8
COMMAND_S = 5.0


class _Command(NamedTuple):
    channel: Channel
    question: RouteQuestion
    answer: RouteAnswer


class CallDesk:
    """`run` sends the commands of PBXs that are told whom to ring; those that ask get their answer from `keep`."""

    def __init__(self, router: CallRouter, http: ClientSession) -> None:
        self._router = router
        self._http = http
        self._commands: asyncio.Queue[_Command] = asyncio.Queue(WAITING)

    async def keep(
        self, writer: JournalWriter, entry: NewEntry, channel: Channel, question: RouteQuestion
    ) -> web.Response | None:
        """Keeps the payload and finds whom to ring at the same time. Raises Unavailable: nothing was kept."""
        try:
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(writer.keep(entry), name="keep")
                asking = tasks.create_task(self._router.answer(channel, question), name="who takes it")
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        answer = asking.result()
        connector = channel.connector
        if connector.route_reply is not None:
            reply = connector.route_reply(answer, question, channel.settings)
            return web.Response(body=reply.body, status=reply.status, content_type=reply.content_type)
        if connector.route_command is not None and answer.extensions and keeping.result():
            try:
                self._commands.put_nowait(_Command(channel, question, answer))
            except asyncio.QueueFull:
                log.warning("call_command_dropped", channel_id=str(channel.id))
        return None

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(AT_ONCE):
                tasks.create_task(self._send_commands(), name=f"call commands {number}")

    async def _send_commands(self) -> None:
        while True:
            channel, question, answer = await self._commands.get()
            send = channel.connector.route_command
            if send is None:
                continue
            try:
                async with asyncio.timeout(COMMAND_S):
                    await send(answer, question, channel.settings, Io(http=self._http, timeout_s=COMMAND_S))
            except (SendError, TimeoutError) as error:
                log.warning("call_command_failed", channel_id=str(channel.id), error=type(error).__name__)
