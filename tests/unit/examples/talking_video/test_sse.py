"""Tests of reading server-sent events, however the network cuts them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from examples.talking_video.sse import Event, Events

STREAM = (
    b"retry: 250\n\n: still here\n\nid: 7\nevent: job\ndata: {1}\n\n"
    b'id: 9\r\nevent: end\r\ndata: {"name":"\xc3\xa9t\xc3\xa9"}\r\n\r\n'
)
TOLD = [Event("job", "{1}"), Event("end", '{"name":"été"}')]


async def blocks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def read(events: Events, parts: Sequence[bytes]) -> list[Event]:
    return [event async for event in events.read(blocks(*parts))]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 1000])
async def test_events_are_the_same_however_they_are_cut(size: int) -> None:
    events = Events(1.0)
    assert await read(events, [STREAM[at : at + size] for at in range(0, len(STREAM), size)]) == TOLD
    assert events.headers == {"Last-Event-ID": "9"}
    assert events.retry_seconds == 0.25


async def test_a_first_connection_asks_for_everything() -> None:
    assert Events(1.0).headers == {}


async def test_an_event_without_an_end_is_not_yielded() -> None:
    events = Events(1.0)
    assert await read(events, [b"id: 1\ndata: a\n\nid: 2\ndata: b\n"]) == [Event("message", "a")]
    assert events.headers == {"Last-Event-ID": "1"}
    assert await read(events, [b"id: 2\ndata: b\n\n"]) == [Event("message", "b")]
    assert events.headers == {"Last-Event-ID": "2"}


async def test_lines_of_data_belong_together() -> None:
    assert await read(Events(1.0), [b"data: a\ndata:b\nstranger: c\n\n"]) == [Event("message", "a\nb")]


async def test_a_wait_that_is_no_number_changes_nothing() -> None:
    events = Events(1.0)
    await read(events, [b"retry: soon\nretry: \xc2\xb2\n\n"])
    assert events.retry_seconds == 1.0


async def test_an_event_may_be_longer_than_any_buffer() -> None:
    data = b"A" * 400_000
    assert await read(Events(1.0), [b"data: ", data, b"\n\n"]) == [Event("message", data.decode())]
