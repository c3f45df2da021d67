"""Running ffmpeg, played by shell scripts: in its turn, within bounds, with progress, and gone with its caller."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.errors import MediaError, Reason
from services.video.ffmpeg import Command, FfmpegLimiter, FfmpegLimits, FfmpegRunner, find_ffmpeg
from tests.conftest import LogLines
from tests.unit.video.ffmpeg.rig import COMMAND, HANGS, LIMITS, Kitchen, Seen


@pytest.fixture
def kitchen(tmp_path: Path) -> Iterator[Kitchen]:
    kitchen = Kitchen(tmp_path)
    yield kitchen
    os.close(kitchen.alive)


async def test_the_arguments_are_passed_on_behind_our_own(kitchen: Kitchen) -> None:
    await kitchen.run('printf "%s\\n" "$@" >arguments')
    arguments = kitchen.text("arguments").splitlines()
    assert tuple(arguments[-len(COMMAND.arguments) :]) == COMMAND.arguments
    own = arguments[: -len(COMMAND.arguments)]
    assert {"-nostdin", "-hide_banner", "-nostats"} <= set(own)
    assert own[own.index("-progress") + 1] == "pipe:2"


async def test_it_runs_in_the_folder_and_knows_nothing_of_ours(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_TOKEN")
    told = "in=$(readlink /proc/$$/fd/0); out=$(readlink /proc/$$/fd/1); echo $in $out >streams"
    await kitchen.run(f"pwd >where; env >environment; {told}")
    assert kitchen.text("where").strip() == str(kitchen.folder)
    names = {line.partition("=")[0] for line in kitchen.text("environment").splitlines()}
    assert names <= {"PATH", "HOME", "LANG", "PWD", "OLDPWD", "SHLVL", "_"}
    assert f"HOME={kitchen.folder}" in kitchen.text("environment")
    assert kitchen.text("streams").split() == ["/dev/null", "/dev/null"]


async def test_progress_is_told_while_it_works(kitchen: Kitchen) -> None:
    os.mkfifo(kitchen.folder / "go")
    go = os.open(kitchen.folder / "go", os.O_RDWR)
    seen = Seen()
    script = "echo out_time_us=2500000 >&2\nread word <go\nprintf 'a complaint\\nout_time_us=5000000\\n' >&2\n"
    task = asyncio.create_task(kitchen.run(script + "echo progress=end >&2", seen))
    async with asyncio.timeout(10):
        await seen.moved.wait()
        assert seen.percents == [0.0, 25.0]
        os.write(go, b"on\n")
        await task
    os.close(go)
    assert seen.percents[-1] == 100.0
    assert seen.percents == sorted(seen.percents)
    assert seen.places == []


async def test_what_it_writes_is_passed_on_whole_and_in_order(kitchen: Kitchen) -> None:
    pieces: list[bytes] = []

    async def sink(data: bytes) -> None:
        await asyncio.sleep(0)
        pieces.append(data)

    await kitchen.run(
        "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo progress=end >&2", sink=sink
    )
    assert b"".join(pieces).split(b"\n") == [b"line %d" % number for number in range(20_000)] + [b""]
    assert len(pieces) > 1


async def test_it_waits_for_a_slow_reader(kitchen: Kitchen) -> None:
    first, go_on = asyncio.Event(), asyncio.Event()
    taken = 0

    async def sink(data: bytes) -> None:
        nonlocal taken
        taken += len(data)
        first.set()
        await go_on.wait()

    script, limits = "head -c 4000000 /dev/zero; echo done >written", FfmpegLimits(20, 20, 4_000_000)
    task = asyncio.create_task(kitchen.run(script, sink=sink, limits=limits))
    async with asyncio.timeout(10):
        await first.wait()
        assert not (kitchen.folder / "written").exists()
        go_on.set()
        await task
    assert taken == 4_000_000
    assert kitchen.text("written") == "done\n"


async def test_without_a_reader_nothing_is_kept_of_what_it_writes(kitchen: Kitchen) -> None:
    await kitchen.run("head -c 4000000 /dev/zero")


async def test_many_error_messages_do_not_block_ffmpeg(kitchen: Kitchen) -> None:
    await kitchen.run("head -c 4000000 /dev/zero >&2; i=0; while [ $i -lt 20000 ]; do echo no >&2; i=$((i+1)); done")


@pytest.mark.parametrize(
    ("script", "reason", "word"),
    [
        ("exit 1", Reason.MEDIA_INVALID, "save them again"),
        ("exit 183", Reason.MEDIA_INVALID, "save them again"),
        ("exit 254", Reason.MEDIA_INVALID, "save them again"),
        ("exit 255", Reason.MEDIA_INVALID, "within 20 seconds"),
        ("kill -XFSZ $$", Reason.OUTPUT_TOO_LARGE, "1000000 bytes"),
        ("kill -XCPU $$", Reason.MEDIA_INVALID, "within 20 seconds"),
        ("kill -SEGV $$", Reason.GENERATION_FAILED, "retry"),
        ("kill -KILL $$", Reason.GENERATION_FAILED, "retry"),
        ("kill -TERM $$", Reason.GENERATION_FAILED, "retry"),
    ],
)
async def test_every_bad_end_has_a_reason(kitchen: Kitchen, script: str, reason: Reason, word: str) -> None:
    error = await kitchen.failure(script)
    assert error.reason is reason
    assert word in error.message


async def test_error_messages_are_logged_and_not_returned(kitchen: Kitchen, log_lines: LogLines) -> None:
    error = await kitchen.failure("echo video.mp4: moov atom not found >&2; exit 1")
    assert "moov" not in error.message
    (line,) = [line for line in log_lines() if line["level"] == "warning"]
    assert (line["exit_code"], line["messages"]) == (1, ["video.mp4: moov atom not found"])


async def test_a_file_that_grows_too_large_ends_it(kitchen: Kitchen) -> None:
    # The bounds come a moment after its beginning.
    bound = 'until [ "$(ulimit -f)" != unlimited ]; do :; done'
    error = await kitchen.failure(f"{bound}; exec cat /dev/zero >video.mp4")
    assert error.reason is Reason.OUTPUT_TOO_LARGE
    assert (kitchen.folder / "video.mp4").stat().st_size == LIMITS.output_bytes


async def test_a_stream_that_grows_too_large_ends_it(kitchen: Kitchen) -> None:
    taken = 0

    async def sink(data: bytes) -> None:
        nonlocal taken
        taken += len(data)

    with pytest.raises(MediaError) as caught:
        await kitchen.run("exec 3>alive; cat /dev/zero", sink=sink)
    assert caught.value.reason is Reason.OUTPUT_TOO_LARGE
    assert taken <= LIMITS.output_bytes
    await kitchen.all_end()


async def test_too_much_work_ends_it(kitchen: Kitchen) -> None:
    error = await kitchen.failure("while :; do :; done", FfmpegLimits(20, 1, 1_000_000))
    assert (error.reason, "within 1 seconds" in error.message) == (Reason.MEDIA_INVALID, True)


async def test_it_is_bound_in_all_that_it_may_take(kitchen: Kitchen) -> None:
    # The bounds come a moment after its beginning.
    script = 'until [ "$(ulimit -v)" = 1048576 ]; do :; done; (ulimit -S -t; ulimit -H -t; ulimit -f) >bounds'
    await kitchen.run(script, limits=FfmpegLimits(20, 7, 512 * 1024, address_space_bytes=1024**3))
    assert kitchen.text("bounds").split() == ["7", "12", "1024"]


async def test_it_is_ended_in_time_with_all_that_it_started(kitchen: Kitchen) -> None:
    error = await kitchen.failure(HANGS, FfmpegLimits(0.3, 20, 1_000_000))
    assert (error.reason, "within 0.3 seconds" in error.message) == (Reason.MEDIA_INVALID, True)
    await kitchen.all_end()


async def test_a_caller_who_leaves_ends_it_with_all_that_it_started(kitchen: Kitchen) -> None:
    seen = Seen()
    task = asyncio.create_task(kitchen.run(HANGS, seen))
    async with asyncio.timeout(10):
        await seen.moved.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await kitchen.all_end()
    # Its place is free again.
    await kitchen.run("exit 0")


async def test_a_reader_who_leaves_does_not_wait_for_what_nobody_reads(kitchen: Kitchen) -> None:
    os.mkfifo(kitchen.folder / "go")
    go = os.open(kitchen.folder / "go", os.O_RDWR)
    first = asyncio.Event()

    async def sink(_: bytes) -> None:
        first.set()
        await asyncio.Event().wait()

    # Not of its group, and so not ended with it: the pipe has no end before the test says so.
    holder = f"{sys.executable} -c 'import os; os.setsid(); print(1, flush=True); open(\"go\").readline()' &\n"
    task = asyncio.create_task(kitchen.run(f"{holder}wait", sink=sink))
    async with asyncio.timeout(20):
        await first.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        # Its place is free again.
        await kitchen.run("exit 0")
    os.write(go, b"on\n")
    os.close(go)


async def test_a_callers_own_time_ends_it_as_that(kitchen: Kitchen) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await kitchen.run(HANGS)
    await kitchen.all_end()


async def fails(_: bytes) -> None:
    raise MediaError(Reason.STORAGE_FAILED)


async def test_a_reader_that_fails_ends_it(kitchen: Kitchen) -> None:
    with pytest.raises(MediaError):
        await kitchen.run(f"exec 3>alive; echo video; {HANGS}", sink=fails)
    await kitchen.all_end()


async def test_what_a_reader_raises_is_raised_as_it_is(kitchen: Kitchen) -> None:
    with pytest.raises(MediaError):
        await kitchen.run("echo video", sink=fails)


async def test_who_comes_second_is_told_so_and_who_comes_third_is_refused(kitchen: Kitchen) -> None:
    first, second = Seen(), Seen()
    one = asyncio.create_task(kitchen.run(HANGS, first))
    async with asyncio.timeout(10):
        await first.moved.wait()
        two = asyncio.create_task(kitchen.run("echo progress=end >&2", second))
        await second.moved.wait()
        assert (second.places, second.percents) == ([1], [])
        assert (await kitchen.failure("exit 0")).reason is Reason.OVERLOADED
        one.cancel()
        await asyncio.wait([one])
        await kitchen.run("echo progress=end >&2")
        await asyncio.wait([two])
    assert (first.places, one.cancelled()) == ([], True)
    assert (second.percents[0], second.percents[-1]) == (0.0, 100.0)


async def test_one_that_fails_gives_its_place_back(kitchen: Kitchen) -> None:
    for script in ("exit 1", "kill -KILL $$"):
        await kitchen.failure(script)
    await kitchen.run("exit 0")


@pytest.mark.parametrize(
    ("limits", "reason", "word"),
    [
        (FfmpegLimits(20, 20, 1_000_000), Reason.OUTPUT_TOO_LARGE, "1000000 bytes"),
        (FfmpegLimits(20, 1, 10**12), Reason.MEDIA_INVALID, "within 1 seconds"),
    ],
)
async def test_the_real_ffmpeg_meets_its_bounds_alike(
    tmp_path: Path, limits: FfmpegLimits, reason: Reason, word: str
) -> None:
    source = ("-f", "lavfi", "-i", "testsrc=size=640x480:duration=100000", "-c:v", "rawvideo", "-y")
    target = ("-f", "null", "-") if limits.cpu_seconds == 1 else ("-f", "nut", "video.nut")
    runner = FfmpegRunner(find_ffmpeg(""), FfmpegLimiter(1, 0), limits)
    with pytest.raises(MediaError) as caught:
        await runner.run(Command((*source, *target), 100_000.0), tmp_path, Seen().watch)
    assert (caught.value.reason, word in caught.value.message) == (reason, True)
