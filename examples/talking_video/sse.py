"""Server-sent events: parses a stream and continues after the last event when a connection breaks."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event."""

    name: str
    data: str


class Events:
    """Parser of the events of one URL over several connections.

    Args:
        retry_seconds: Wait before a reconnect, until the server sends another value.
    """

    def __init__(self, retry_seconds: float) -> None:
        self.retry_seconds = retry_seconds
        self._last_id = ""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the next connection, so that it continues after the last event."""
        return {"Last-Event-ID": self._last_id} if self._last_id else {}

    async def read(self, blocks: AsyncIterable[bytes]) -> AsyncIterator[Event]:
        """Yield the events of one connection; drop an event whose empty line did not arrive.

        Args:
            blocks: Body of the response, cut anywhere.
        """
        name, data, found_id = "", list[str](), self._last_id
        async for line in _lines(blocks):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match field:
                case "" if not line:
                    self._last_id = found_id
                    if data:
                        yield Event(name or "message", "\n".join(data))
                    name, data = "", []
                case "event":
                    name = value
                case "data":
                    data.append(value)
                case "id":
                    found_id = value
                case "retry" if value.isascii() and value.isdigit():
                    self.retry_seconds = int(value) / 1000


async def _lines(blocks: AsyncIterable[bytes]) -> AsyncIterator[str]:
    """Yield whole lines of any length; `readline` of aiohttp has a limit."""
    rest = b""
    async for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode()
