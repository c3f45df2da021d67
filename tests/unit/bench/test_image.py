"""The benchmark of images measures real renditions and prints one line for each."""

from __future__ import annotations

import asyncio
import time

from bench.image import EncodingCost, LoadSample, Ticks, format_encodings, format_load, time_render
from services.common.images import Size
from services.image.providers.embedded import PaintRequest, paint
from services.image.rendition import Encoding, RenditionSpec


def test_a_rendition_is_returned_with_its_duration() -> None:
    size = Size(64, 64)
    rendition, seconds = time_render(
        paint(PaintRequest("A lighthouse", size, 1)), RenditionSpec(size, Encoding("webp"))
    )
    assert rendition.main.data[8:12] == b"WEBP"
    assert seconds > 0


def test_each_format_is_a_line() -> None:
    lines = format_encodings([EncodingCost(Encoding("avif", "low"), 35.26, 37.2, 15_053)]).splitlines()
    assert lines[1].split() == ["avif", "low", "35.3", "37.2", "14.7"]


def test_the_delay_of_the_event_loop_is_compared_with_its_goal() -> None:
    assert "(goal 5 ms: reached)" in format_load(LoadSample(16, 0.7, worst_stall_ms=4.9, idle_stall_ms=0.2))
    assert "(goal 5 ms: not reached)" in format_load(LoadSample(16, 0.7, worst_stall_ms=5.1, idle_stall_ms=0.2))


async def test_a_blocked_event_loop_is_measured() -> None:
    ticks = Ticks()
    with ticks.watch():
        await asyncio.sleep(0)
        _block(0.02)
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
    assert ticks.worst_ms >= 15


def _block(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
