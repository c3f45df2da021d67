"""Tests that the commonest readers of lines get each JSON object whole, whatever text it has."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import orjson
import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.streaming import encode_one_line

NODE = shutil.which("node")
LINE_BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
EVERY_BREAK = f"a{'b'.join(LINE_BREAKS)}c"
NODE_PROGRAM = """
const lines = require("readline").createInterface({input: process.stdin, crlfDelay: Infinity});
const found = [];
lines.on("line", (line) => found.push(JSON.parse(line).text));
lines.on("close", () => console.log(JSON.stringify(found)));
"""

texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(LINE_BREAKS)), max_size=4)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def read_with_httpx(data: bytes, size: int) -> list[str]:
    response = httpx.Response(200, headers={"Content-Type": "application/x-ndjson"}, content=cut(data, size))
    return list(response.iter_lines())


def _read_with_requests(data: bytes, size: int, content_type: str) -> list[str]:
    response = requests.Response()
    response.status_code = 200
    response.raw = io.BytesIO(data)
    response.encoding = requests.utils.get_encoding_from_headers(
        requests.structures.CaseInsensitiveDict({"content-type": content_type})
    )
    lines = response.iter_lines(chunk_size=size, decode_unicode=True)
    return [line.decode() if isinstance(line, bytes) else line for line in lines]


def read_with_requests(data: bytes, size: int) -> list[str]:
    return _read_with_requests(data, size, "application/x-ndjson")


def read_text_with_requests(data: bytes, size: int) -> list[str]:
    return _read_with_requests(data, size, "text/event-stream; charset=utf-8")


def read_with_splitlines(data: bytes, _size: int) -> list[str]:
    return data.decode().splitlines()


def read_with_text_file(data: bytes, _size: int) -> list[str]:
    return list(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


READERS: Sequence[Callable[[bytes, int], list[str]]] = (
    read_with_httpx,
    read_with_requests,
    read_text_with_requests,
    read_with_splitlines,
    read_with_text_file,
)


@pytest.mark.parametrize("read", READERS)
@given(parts=texts, size=st.integers(1, 64))
@example(parts=[EVERY_BREAK, ""], size=1)
@example(parts=["\u0085", "\u2028", "\u2029", "Å…"], size=2)
def test_each_object_is_one_line(read: Callable[[bytes, int], list[str]], parts: list[str], size: int) -> None:
    data = b"".join(encode_one_line({"text": part, part: [part]}) + b"\n" for part in parts)
    assert [json.loads(line) for line in read(data, size)] == [{"text": part, part: [part]} for part in parts]


@given(content=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), texts))
def test_the_text_is_the_same_json_value(content: dict[str, Any]) -> None:
    line = encode_one_line(content)
    assert orjson.loads(line) == content
    assert len(line.decode().splitlines()) == 1


if NODE is not None:

    async def test_readline_of_node_gets_each_object() -> None:
        assert NODE is not None
        parts = [EVERY_BREAK, *LINE_BREAKS, *(f"{first}{second}" for first in LINE_BREAKS for second in LINE_BREAKS)]
        process = await asyncio.create_subprocess_exec(
            NODE, "-e", NODE_PROGRAM, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        data = b"".join(encode_one_line({"text": part}) + b"\n" for part in parts)
        output, _ = await process.communicate(data)
        assert orjson.loads(output) == parts
