"""Calls routed while the provider waits, or right after: the question in a payload is answered beside its commit."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import structlog
from aiohttp import ClientSession, web

from config.errors import HubError, SendError
from connectors.base import RouteAnswer, RouteQuestion
from router.channels import Channel
from router.ios import Ios
from router.pbx import CallRouter
from router.understand import place
from storage.journal import JournalWriter, NewEntry

log = structlog.get_logger()
WAITING = 1000
AT_ONCE = 32
COMMAND_S = 12.0
"""A command that takes longer, its wait for a turn included, comes after the caller has left the greeting."""


@dataclass(frozen=True, slots=True)
class _Command:
    channel: Channel
    question: RouteQuestion
    answer: RouteAnswer
    since: float = field(default_factory=time.monotonic)


class CallDesk:
    """`run` sends the commands of PBXs that are told whom to ring; those that ask get their answer from `keep`."""

    def __init__(self, router: CallRouter, http: ClientSession) -> None:
        self._router = router
        self._ios = Ios(http, "")
        self._commands: asyncio.Queue[_Command] = asyncio.Queue(WAITING)

    async def keep(
        self, writer: JournalWriter, entry: NewEntry, channel: Channel, question: RouteQuestion
    ) -> web.Response | None:
        """Keeps the payload and finds whom to ring at the same time. Raises what `writer.keep` raises."""
        try:
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(writer.keep(entry), name="keep")
                asking = tasks.create_task(self._ask(channel, question), name="who takes it")
        except* HubError as group:
            raise _first(group) from None
        answer = asking.result()
        connector = channel.connector
        if connector.route_reply is not None:
            reply = connector.route_reply(answer, question, channel.settings)
            return web.Response(
                body=reply.body,
                status=reply.status,
                content_type=reply.content_type,
                headers=dict(reply.headers),
            )
        # A repeated payload's command was given when it came first.
        if connector.route_command is not None and answer.extensions and keeping.result():
            self._command(_Command(channel, question, answer))
        return None

    async def _ask(self, channel: Channel, question: RouteQuestion) -> RouteAnswer:
        """No opinion in place of any fault: whatever routing does, the payload is kept."""
        try:
            return await self._router.answer(channel, question)
        # lint-skip: broad - a bug in routing must not cost the payload its keeping
        except Exception as error:  # noqa: BLE001 - the same
            log.error("call_routing_raised", channel_id=str(channel.id), error=type(error).__name__, at=place(error))
            return RouteAnswer()

    def _command(self, command: _Command) -> None:
        try:
            self._commands.put_nowait(command)
        except asyncio.QueueFull:
            log.warning("call_command_dropped", channel_id=str(command.channel.id))

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(AT_ONCE):
                    tasks.create_task(self._send_commands(), name=f"call commands {number}")
        finally:
            await self._ios.aclose()

    async def _send_commands(self) -> None:
        while True:
            command = await self._commands.get()
            send = command.channel.connector.route_command
            left_s = command.since + COMMAND_S - time.monotonic()
            if send is None or left_s <= 0:
                log.warning("call_command_late", channel_id=str(command.channel.id))
                continue
            try:
                async with asyncio.timeout(left_s):
                    await send(
                        command.answer, command.question, command.channel.settings, self._ios.of(command.channel)
                    )
            except (SendError, TimeoutError) as error:
                code = error.code if isinstance(error, SendError) else "timeout"
                log.warning("call_command_failed", channel_id=str(command.channel.id), verdict=code)
            else:
                log.info("call_command_given", channel_id=str(command.channel.id))


def _first(group: BaseExceptionGroup[HubError]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
