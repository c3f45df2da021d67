"""The write queue: ordered, bounded, the last write of a key wins."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from services.common.cache.write_behind import Write, WriteQueue


class Journal:
    """Creates writes that record when they are performed."""

    def __init__(self) -> None:
        self.performed: list[str] = []

    def write(self, key: str, size_bytes: int, label: str = "") -> Write:
        """Return a write that is recorded as `label`, or as its key."""

        async def perform() -> None:
            self.performed.append(label or key)

        return Write(key, size_bytes, perform)


async def drain(queue: WriteQueue) -> None:
    running = asyncio.create_task(queue.run())
    assert await queue.drain(5) == 0
    running.cancel()
    await asyncio.wait({running})


async def test_writes_are_performed_in_order() -> None:
    queue, journal = WriteQueue(100), Journal()
    for key in "abc":
        assert queue.offer(journal.write(key, 10))
    await drain(queue)
    assert journal.performed == ["a", "b", "c"]
    assert queue.held_bytes == 0


async def test_only_the_later_of_two_writes_of_a_key_is_performed() -> None:
    queue, journal = WriteQueue(100), Journal()
    for label in ("first", "second"):
        assert queue.offer(journal.write("a", 60, label))
    await drain(queue)
    assert journal.performed == ["second"]


async def test_an_empty_queue_drains_at_once() -> None:
    assert await WriteQueue(100).drain(0) == 0


async def test_drain_returns_the_number_of_writes_left() -> None:
    queue, journal = WriteQueue(100), Journal()
    for key in "abc":
        queue.offer(journal.write(key, 10))
    assert await queue.drain(0) == 3


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 60))), st.integers(0, 150))
def test_the_bound_holds_and_accepted_writes_are_performed(offers: list[tuple[str, int]], max_bytes: int) -> None:
    async def run_scenario() -> None:
        queue, journal = WriteQueue(max_bytes), Journal()
        newest: dict[str, str] = {}
        for number, (key, size_bytes) in enumerate(offers):
            if queue.offer(journal.write(key, size_bytes, f"{key}{number}")):
                newest[key] = f"{key}{number}"
            assert queue.held_bytes <= max_bytes
        await drain(queue)
        assert sorted(journal.performed) == sorted(newest.values())

    asyncio.run(run_scenario())
