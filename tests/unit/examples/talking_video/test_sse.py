"""Tests of the parser of server-sent events, with any split of the stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from examples.talking_video.sse import Event, Events

STREAM = (
    b"retry: 250\n\n: still here\n\nid: 7\nevent: job\ndata: {1}\n\n"
    b'id: 9\r\nevent: end\r\ndata: {"name":"\xc3\xa9t\xc3\xa9"}\r\n\r\n'
)
EVENTS = [Event("job", "{1}"), Event("end", '{"name":"été"}')]


async def send_blocks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def read_all(events: Events, parts: Sequence[bytes]) -> list[Event]:
    return [event async for event in events.read(send_blocks(*parts))]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 1000])
async def test_the_split_of_the_stream_does_not_matter(size: int) -> None:
    events = Events(1.0)
    assert await read_all(events, [STREAM[at : at + size] for at in range(0, len(STREAM), size)]) == EVENTS
    assert events.headers == {"Last-Event-ID": "9"}
    assert events.retry_seconds == 0.25


async def test_a_first_connection_has_no_last_event_id() -> None:
    assert Events(1.0).headers == {}


async def test_an_unfinished_event_is_not_yielded() -> None:
    events = Events(1.0)
    assert await read_all(events, [b"id: 1\ndata: a\n\nid: 2\ndata: b\n"]) == [Event("message", "a")]
    assert events.headers == {"Last-Event-ID": "1"}
    assert await read_all(events, [b"id: 2\ndata: b\n\n"]) == [Event("message", "b")]
    assert events.headers == {"Last-Event-ID": "2"}


async def test_several_data_lines_are_one_event() -> None:
    assert await read_all(Events(1.0), [b"data: a\ndata:b\nstranger: c\n\n"]) == [Event("message", "a\nb")]


async def test_an_invalid_retry_is_ignored() -> None:
    events = Events(1.0)
    await read_all(events, [b"retry: soon\nretry: \xc2\xb2\n\n"])
    assert events.retry_seconds == 1.0


async def test_an_event_may_be_longer_than_the_readers_buffer() -> None:
    data = b"A" * 400_000
    assert await read_all(Events(1.0), [b"data: ", data, b"\n\n"]) == [Event("message", data.decode())]
