"""What connectors are given of the world, one for each channel and version of its settings."""

from __future__ import annotations

from uuid import UUID

import aiohttp

from connectors.base import Io
from router.channels import Channel


class Ios:
    """`of` gives the same Io (with its clients and tokens) until the channel's settings change. Its owner closes it."""

    def __init__(self, http: aiohttp.ClientSession, public_url: str) -> None:
        self._http = http
        self._public_url = public_url
        self._by_channel: dict[UUID, tuple[int, Io]] = {}

    def of(self, channel: Channel) -> Io:
        version, io = self._by_channel.get(channel.id, (-1, None))
        if io is None or version != channel.version:
            if io is not None:
                io.close()
            timeout_s = channel.connector.limits.send_s
            io = Io(http=self._http, public_url=self._public_url, timeout_s=timeout_s)
            self._by_channel[channel.id] = (channel.version, io)
        return io

    async def aclose(self) -> None:
        """Closes what connectors hold open, with a good-bye; for the end of the process."""
        for _, io in self._by_channel.values():
            await io.aclose()
        self._by_channel.clear()
