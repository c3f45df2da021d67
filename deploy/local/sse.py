"""Reads server-sent events, and remembers where to go on when a stream breaks."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was told."""

    name: str
    data: str


class Events:
    """The events of one address, over as many connections as it takes.

    Args:
        retry_seconds: How long to leave the server alone before coming back, until it names another time.
    """

    def __init__(self, retry_seconds: float) -> None:
        self.retry_seconds = retry_seconds
        self._last_id = ""

    @property
    def headers(self) -> Mapping[str, str]:
        """What the next connection says to go on behind the last event."""
        return {"Last-Event-ID": self._last_id} if self._last_id else {}

    async def read(self, blocks: AsyncIterable[bytes]) -> AsyncIterator[Event]:
        """Yield the events of one connection; one whose empty line did not arrive was not told.

        Args:
            blocks: What comes, cut anywhere.
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
    """Yield whole lines; one may be longer than what `readline` takes."""
    rest = b""
    async for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode()
