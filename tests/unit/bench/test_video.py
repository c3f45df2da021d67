"""The benchmark of videos: ways run in turn, and each is compared with the first of the same round."""

from __future__ import annotations

from bench.video import Timed, Way, compare, format_table


async def test_ways_run_in_turn_after_a_warm_up_round() -> None:
    ran: list[str] = []

    def way(name: str) -> Way:
        async def run() -> None:
            ran.append(name)

        return Way(name, run)

    timed = await compare([way("first"), way("second")], rounds=2)
    assert ran == ["first", "second"] * 3
    assert [item.name for item in timed] == ["first", "second"]
    assert timed[0].ratio == 1.0


def test_the_table_compares_each_way_with_the_bound() -> None:
    lines = format_table([Timed("ffmpeg alone", 100.0, 1.0), Timed("runner", 104.0, 1.04), Timed("MuxVideo", 130, 1.3)])
    assert [line.split()[-1] for line in lines.splitlines()[1:]] == ["reached", "reached", "1.05"]
