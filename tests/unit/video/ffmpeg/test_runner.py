"""FfmpegRunner with shell scripts as ffmpeg: permits, limits, progress and cancellation."""

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
from tests.unit.video.ffmpeg.rig import COMMAND, HANGS, LIMITS, RunLog, ScriptFolder


@pytest.fixture
def script_folder(tmp_path: Path) -> Iterator[ScriptFolder]:
    script_folder = ScriptFolder(tmp_path)
    yield script_folder
    os.close(script_folder.alive)


async def test_the_arguments_follow_the_common_options(script_folder: ScriptFolder) -> None:
    await script_folder.run('printf "%s\\n" "$@" >arguments')
    arguments = script_folder.read_file("arguments").splitlines()
    assert tuple(arguments[-len(COMMAND.arguments) :]) == COMMAND.arguments
    own = arguments[: -len(COMMAND.arguments)]
    assert {"-nostdin", "-hide_banner", "-nostats"} <= set(own)
    assert own[own.index("-progress") + 1] == "pipe:2"


async def test_ffmpeg_runs_in_the_folder_without_our_environment(
    script_folder: ScriptFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_TOKEN")
    list_streams = "in=$(readlink /proc/$$/fd/0); out=$(readlink /proc/$$/fd/1); echo $in $out >streams"
    await script_folder.run(f"pwd >where; env >environment; {list_streams}")
    assert script_folder.read_file("where").strip() == str(script_folder.folder)
    names = {line.partition("=")[0] for line in script_folder.read_file("environment").splitlines()}
    assert names <= {"PATH", "HOME", "LANG", "PWD", "OLDPWD", "SHLVL", "_"}
    assert f"HOME={script_folder.folder}" in script_folder.read_file("environment")
    assert script_folder.read_file("streams").split() == ["/dev/null", "/dev/null"]


async def test_progress_is_reported_while_ffmpeg_works(script_folder: ScriptFolder) -> None:
    os.mkfifo(script_folder.folder / "go")
    go = os.open(script_folder.folder / "go", os.O_RDWR)
    log = RunLog()
    script = "echo out_time_us=2500000 >&2\nread word <go\nprintf 'a complaint\\nout_time_us=5000000\\n' >&2\n"
    task = asyncio.create_task(script_folder.run(script + "echo progress=end >&2", log))
    async with asyncio.timeout(10):
        await log.progressed.wait()
        assert log.percents == [0.0, 25.0]
        os.write(go, b"on\n")
        await task
    os.close(go)
    assert log.percents[-1] == 100.0
    assert log.percents == sorted(log.percents)
    assert log.positions == []


async def test_the_output_is_forwarded_whole_and_in_order(script_folder: ScriptFolder) -> None:
    pieces: list[bytes] = []

    async def sink(data: bytes) -> None:
        await asyncio.sleep(0)
        pieces.append(data)

    await script_folder.run(
        "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo progress=end >&2", sink=sink
    )
    assert b"".join(pieces).split(b"\n") == [b"line %d" % number for number in range(20_000)] + [b""]
    assert len(pieces) > 1


async def test_ffmpeg_waits_for_a_slow_sink(script_folder: ScriptFolder) -> None:
    first, go_on = asyncio.Event(), asyncio.Event()
    taken = 0

    async def sink(data: bytes) -> None:
        nonlocal taken
        taken += len(data)
        first.set()
        await go_on.wait()

    script, limits = "head -c 4000000 /dev/zero; echo done >written", FfmpegLimits(20, 20, 4_000_000)
    task = asyncio.create_task(script_folder.run(script, sink=sink, limits=limits))
    async with asyncio.timeout(10):
        await first.wait()
        assert not (script_folder.folder / "written").exists()
        go_on.set()
        await task
    assert taken == 4_000_000
    assert script_folder.read_file("written") == "done\n"


async def test_without_a_sink_the_output_is_discarded(script_folder: ScriptFolder) -> None:
    await script_folder.run("head -c 4000000 /dev/zero && echo done >written")
    assert script_folder.read_file("written") == "done\n"


async def test_many_error_messages_do_not_block_ffmpeg(script_folder: ScriptFolder) -> None:
    await script_folder.run(
        "head -c 4000000 /dev/zero >&2; i=0; while [ $i -lt 20000 ]; do echo no >&2; i=$((i+1)); done;"
        " echo done >written"
    )
    assert script_folder.read_file("written") == "done\n"


@pytest.mark.parametrize(
    ("script", "reason", "word"),
    [
        ("exit 1", Reason.MEDIA_INVALID, "save them again"),
        ("exit 183", Reason.MEDIA_INVALID, "save them again"),
        ("exit 254", Reason.MEDIA_INVALID, "save them again"),
        ("exit 255", Reason.MEDIA_INVALID, "within 20 seconds"),
        ("kill -XFSZ $$", Reason.OUTPUT_TOO_LARGE, "1000000 bytes"),
        ("kill -XCPU $$", Reason.MEDIA_INVALID, "within 20 seconds"),
        ("kill -SEGV $$", Reason.MEDIA_INVALID, "save them again"),
        ("kill -ABRT $$", Reason.MEDIA_INVALID, "save them again"),
        ("kill -KILL $$", Reason.GENERATION_FAILED, "retry"),
        ("kill -TERM $$", Reason.GENERATION_FAILED, "retry"),
    ],
)
async def test_every_failure_has_a_reason(script_folder: ScriptFolder, script: str, reason: Reason, word: str) -> None:
    error = await script_folder.get_error(script)
    assert error.reason is reason
    assert word in error.message


async def test_error_messages_are_logged_and_not_returned(script_folder: ScriptFolder, log_lines: LogLines) -> None:
    error = await script_folder.get_error("echo video.mp4: moov atom not found >&2; exit 1")
    assert "moov" not in error.message
    (line,) = [line for line in log_lines() if line["level"] == "warning"]
    assert (line["exit_code"], line["messages"]) == (1, ["video.mp4: moov atom not found"])


async def test_a_too_large_file_ends_ffmpeg(script_folder: ScriptFolder) -> None:
    # The limits are applied shortly after the start.
    bound = 'until [ "$(ulimit -f)" != unlimited ]; do :; done'
    error = await script_folder.get_error(f"{bound}; exec cat /dev/zero >video.mp4")
    assert error.reason is Reason.OUTPUT_TOO_LARGE
    assert (script_folder.folder / "video.mp4").stat().st_size == LIMITS.output_bytes


async def test_a_too_large_output_ends_ffmpeg(script_folder: ScriptFolder) -> None:
    taken = 0

    async def sink(data: bytes) -> None:
        nonlocal taken
        taken += len(data)

    with pytest.raises(MediaError) as caught:
        await script_folder.run("exec 3>alive; cat /dev/zero", sink=sink)
    assert caught.value.reason is Reason.OUTPUT_TOO_LARGE
    assert taken <= LIMITS.output_bytes
    await script_folder.wait_until_all_end()


async def test_too_much_processor_time_ends_ffmpeg(script_folder: ScriptFolder) -> None:
    error = await script_folder.get_error("while :; do :; done", FfmpegLimits(20, 1, 1_000_000))
    assert (error.reason, "within 1 seconds" in error.message) == (Reason.MEDIA_INVALID, True)


async def test_all_limits_are_applied(script_folder: ScriptFolder) -> None:
    # The limits are applied shortly after the start.
    script = 'until [ "$(ulimit -v)" = 1048576 ]; do :; done; (ulimit -S -t; ulimit -H -t; ulimit -f) >bounds'
    await script_folder.run(script, limits=FfmpegLimits(20, 7, 512 * 1024, address_space_bytes=1024**3))
    assert script_folder.read_file("bounds").split() == ["7", "12", "1024"]


async def test_a_timeout_kills_ffmpeg_and_its_children(script_folder: ScriptFolder) -> None:
    error = await script_folder.get_error(HANGS, FfmpegLimits(0.3, 20, 1_000_000))
    assert (error.reason, "within 0.3 seconds" in error.message) == (Reason.MEDIA_INVALID, True)
    await script_folder.wait_until_all_end()


async def test_a_cancellation_kills_ffmpeg_and_its_children(script_folder: ScriptFolder) -> None:
    log = RunLog()
    task = asyncio.create_task(script_folder.run(HANGS, log))
    async with asyncio.timeout(10):
        await log.progressed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await script_folder.wait_until_all_end()
    # The permit is free again.
    await script_folder.run("exit 0")


async def test_a_cancelled_sink_does_not_wait_for_unread_output(script_folder: ScriptFolder) -> None:
    os.mkfifo(script_folder.folder / "go")
    go = os.open(script_folder.folder / "go", os.O_RDWR)
    first = asyncio.Event()

    async def sink(_: bytes) -> None:
        first.set()
        await asyncio.Event().wait()

    # In another process group, so not killed: the pipe stays open until the test closes it.
    holder = f"{sys.executable} -c 'import os; os.setsid(); print(1, flush=True); open(\"go\").readline()' &\n"
    task = asyncio.create_task(script_folder.run(f"{holder}wait", sink=sink))
    async with asyncio.timeout(20):
        await first.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        # The permit is free again.
        await script_folder.run("exit 0")
    os.write(go, b"on\n")
    os.close(go)


async def test_a_timeout_of_the_caller_stays_a_timeout(script_folder: ScriptFolder) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await script_folder.run(HANGS)
    await script_folder.wait_until_all_end()


async def fail(_: bytes) -> None:
    raise MediaError(Reason.STORAGE_FAILED)


async def test_a_failing_sink_ends_ffmpeg(script_folder: ScriptFolder) -> None:
    with pytest.raises(MediaError):
        await script_folder.run(f"exec 3>alive; echo video; {HANGS}", sink=fail)
    await script_folder.wait_until_all_end()


async def test_an_error_of_the_sink_is_raised_unchanged(script_folder: ScriptFolder) -> None:
    with pytest.raises(MediaError):
        await script_folder.run("echo video", sink=fail)


async def test_the_second_run_is_queued_and_the_third_is_rejected(script_folder: ScriptFolder) -> None:
    first, second = RunLog(), RunLog()
    one = asyncio.create_task(script_folder.run(HANGS, first))
    async with asyncio.timeout(10):
        await first.progressed.wait()
        two = asyncio.create_task(script_folder.run("echo progress=end >&2", second))
        await second.progressed.wait()
        assert (second.positions, second.percents) == ([1], [])
        assert (await script_folder.get_error("exit 0")).reason is Reason.OVERLOADED
        one.cancel()
        await asyncio.wait([one])
        await script_folder.run("echo progress=end >&2")
        await asyncio.wait([two])
    assert (first.positions, one.cancelled()) == ([], True)
    assert (second.percents[0], second.percents[-1]) == (0.0, 100.0)


async def test_a_failed_run_releases_its_permit(script_folder: ScriptFolder) -> None:
    for script in ("exit 1", "kill -KILL $$"):
        await script_folder.get_error(script)
    await script_folder.run("exit 0")


@pytest.mark.parametrize(
    ("limits", "reason", "word"),
    [
        (FfmpegLimits(20, 20, 1_000_000), Reason.OUTPUT_TOO_LARGE, "1000000 bytes"),
        (FfmpegLimits(20, 1, 10**12), Reason.MEDIA_INVALID, "within 1 seconds"),
    ],
)
async def test_the_limits_hold_for_the_real_ffmpeg(
    tmp_path: Path, limits: FfmpegLimits, reason: Reason, word: str
) -> None:
    source = ("-f", "lavfi", "-i", "testsrc=size=640x480:duration=100000", "-c:v", "rawvideo", "-y")
    target = ("-f", "null", "-") if limits.cpu_seconds == 1 else ("-f", "nut", "video.nut")
    runner = FfmpegRunner(find_ffmpeg(""), FfmpegLimiter(1, 0), limits)
    with pytest.raises(MediaError) as caught:
        await runner.run(Command((*source, *target), 100_000.0), tmp_path, RunLog().watch)
    assert (caught.value.reason, word in caught.value.message) == (reason, True)
