"""The bench of videos: ways are run in turn, and held against the first in the same round."""

from __future__ import annotations

from bench.video import Timed, Way, compare, table


async def test_ways_are_run_in_turn_after_a_round_that_is_not_counted() -> None:
    ran: list[str] = []

    def way(name: str) -> Way:
        async def run() -> None:
            ran.append(name)

        return Way(name, run)

    timed = await compare([way("bare"), way("whole")], rounds=2)
    assert ran == ["bare", "whole"] * 3
    assert [item.name for item in timed] == ["bare", "whole"]
    assert timed[0].ratio == 1.0


def test_the_bound_is_shown() -> None:
    lines = table([Timed("bare command", 100.0, 1.0), Timed("runner", 104.0, 1.04), Timed("MuxVideo", 130, 1.3)])
    assert [line.split()[-1] for line in lines.splitlines()[1:]] == ["reached", "reached", "1.05"]
