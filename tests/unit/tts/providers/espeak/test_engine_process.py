"""The engine process: cancellation, crashes, restarts, limits, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from services.common.errors import MediaError, Reason
from services.tts.providers.espeak.engine_process import EngineProcess, EspeakSettings
from services.tts.providers.espeak.provider import EspeakProvider, open_espeak
from services.tts.providers.interface import SpeechStream
from tests.unit.tts.providers.espeak.engine_helpers import (
    LONG,
    SENTENCE,
    build_spec,
    list_children,
    speak,
    wait_until_gone,
)

ENGINE = "services.tts.providers.espeak.engine"
# More audio than all buffers hold together, so that the child waits for its reader.
ENDLESS = build_spec(LONG, "pcm_48000")


@asynccontextmanager
async def open_running(settings: EspeakSettings | None = None) -> AsyncIterator[tuple[EspeakProvider, EngineProcess]]:
    engine = EngineProcess(settings or EspeakSettings())
    try:
        await speak(EspeakProvider(engine), build_spec("Ready."))
        yield EspeakProvider(engine), engine
    finally:
        await engine.close()


async def start_utterance(
    stack: AsyncExitStack, provider: EspeakProvider, engine: EngineProcess
) -> tuple[SpeechStream, int]:
    """Start an utterance that waits for its reader; return it and the child that speaks it."""
    before = list_children(read_pid(engine))
    stream = await stack.enter_async_context(provider.synthesize(ENDLESS, with_alignment=False))
    await anext(stream.chunks)
    (child,) = list_children(read_pid(engine)) - before
    return stream, child


def read_pid(engine: EngineProcess) -> int:
    assert engine.pid is not None
    return engine.pid


async def test_leaving_the_context_ends_the_child() -> None:
    async with open_running() as (provider, engine):
        async with AsyncExitStack() as stack:
            _, child = await start_utterance(stack, provider, engine)
        await wait_until_gone(child)
        assert list_children(read_pid(engine)) == set()


async def test_cancelling_the_caller_ends_the_child() -> None:
    async with open_running() as (provider, engine):
        children: list[int] = []
        started = asyncio.Event()

        async def listen() -> None:
            async with AsyncExitStack() as stack:
                _, child = await start_utterance(stack, provider, engine)
                children.append(child)
                started.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(listen())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await wait_until_gone(children[0])
        assert list_children(read_pid(engine)) == set()


async def test_a_reader_that_waits_makes_its_child_wait() -> None:
    async with open_running() as (provider, engine), AsyncExitStack() as stack:
        _, child = await start_utterance(stack, provider, engine)

        await speak(provider, build_spec(LONG, "wav_22050"))

        assert child in list_children(read_pid(engine))


async def test_a_child_that_crashes_fails_its_own_request_only() -> None:
    async with open_running() as (provider, engine), AsyncExitStack() as stack:
        engine_pid = engine.pid
        victim, child = await start_utterance(stack, provider, engine)
        other, _ = await start_utterance(stack, provider, engine)
        os.kill(child, signal.SIGKILL)

        with pytest.raises(MediaError) as caught:
            [chunk async for chunk in victim.chunks]
        chunks = [chunk async for chunk in other.chunks]

        assert caught.value.reason is Reason.GENERATION_FAILED
        assert chunks
        assert engine.pid == engine_pid


async def test_a_request_that_exceeds_the_limits_fails_alone() -> None:
    async with open_running(EspeakSettings(memory_limit_mib=200)) as (provider, _):
        with pytest.raises(MediaError) as caught:
            await speak(provider, build_spec(LONG * 2, "wav_48000"))

        assert caught.value.reason is Reason.GENERATION_FAILED
        assert (await speak(provider, build_spec())).audio


async def test_a_killed_engine_is_replaced_once_for_all_callers() -> None:
    async with open_running() as (provider, engine):
        before = (await speak(provider, build_spec())).audio
        old = read_pid(engine)
        os.kill(old, signal.SIGKILL)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(speak(provider, build_spec())) for _ in range(5)]

        assert {task.result().audio for task in tasks} == {before}
        assert engine.pid != old
        assert await engine.is_accepting()


async def test_a_frozen_engine_costs_a_bounded_wait() -> None:
    async with open_running(EspeakSettings(answer_timeout_seconds=0.2)) as (provider, engine):
        os.kill(read_pid(engine), signal.SIGSTOP)
        try:
            with pytest.raises(MediaError) as caught:
                await speak(provider, build_spec(SENTENCE))
        finally:
            os.kill(read_pid(engine), signal.SIGCONT)
        assert caught.value.reason is Reason.PROVIDER_TIMEOUT


async def test_a_deleted_socket_is_created_again() -> None:
    async with open_running() as (provider, engine):
        find_folder(read_pid(engine)).joinpath("engine.sock").unlink()

        assert (await speak(provider, build_spec())).audio


async def test_a_waiting_request_survives_a_restart_of_the_engine() -> None:
    async with open_running(EspeakSettings(max_children=1)) as (provider, engine), AsyncExitStack() as stack:
        stream, _ = await start_utterance(stack, provider, engine)
        waiting = asyncio.create_task(speak(provider, build_spec()))
        assert await engine.is_accepting()
        os.kill(read_pid(engine), signal.SIGKILL)

        assert (await waiting).audio
        assert [chunk async for chunk in stream.chunks]


async def test_requests_beyond_the_limit_of_children_wait() -> None:
    async with open_running(EspeakSettings(max_children=1)) as (provider, engine):
        async with AsyncExitStack() as stack:
            stream, child = await start_utterance(stack, provider, engine)
            waiting = asyncio.create_task(speak(provider, build_spec()))
            for _ in range(10):
                await anext(stream.chunks)
            assert list_children(read_pid(engine)) == {child}
            assert not waiting.done()

        assert (await waiting).audio


async def test_closing_ends_the_engine_and_its_children_and_removes_the_socket() -> None:
    async with AsyncExitStack() as stack:
        async with open_running() as (provider, engine):
            _, child = await start_utterance(stack, provider, engine)
            pid = read_pid(engine)
            folder = find_folder(pid)
            assert folder.stat().st_mode & 0o777 == 0o700

        await wait_until_gone(child)
        await wait_until_gone(pid)
        assert not folder.exists()
        with pytest.raises(MediaError) as caught:
            await speak(provider, build_spec())
        assert caught.value.reason is Reason.PROVIDER_UNAVAILABLE


def list_remaining(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def find_folder(pid: int) -> Path:
    command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return Path(command[command.index("--socket") + 1]).parent


async def test_the_engine_ends_with_its_parent_and_leaves_no_files(tmp_path: Path) -> None:
    script = (
        "import asyncio\n"
        "from services.tts.providers.espeak.engine_process import EngineProcess, EspeakSettings\n"
        "async def main():\n"
        "    engine = EngineProcess(EspeakSettings())\n"
        "    await engine.connect()\n"
        "    print('pid', engine.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    # Use a separate folder, to find files that a killed parent could not remove.
    script = f"import tempfile; tempfile.tempdir = {str(tmp_path)!r}\n" + script
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    pid = 0
    while not pid:
        line = (await parent.stdout.readline()).split()
        pid = int(line[1]) if line[:1] == [b"pid"] else 0
    parent.kill()
    await parent.wait()

    await wait_until_gone(pid)
    assert list_remaining(tmp_path) == []


async def test_the_engine_ignores_an_interrupt_of_the_process_group() -> None:
    async with open_running() as (provider, engine):
        pid = read_pid(engine)
        os.kill(pid, signal.SIGINT)

        assert (await speak(provider, build_spec())).audio
        assert engine.pid == pid


async def test_sigterm_ends_the_engine() -> None:
    async with open_running() as (_, engine):
        os.kill(read_pid(engine), signal.SIGTERM)

        await wait_until_gone(read_pid(engine))
        assert not await engine.is_accepting()


async def test_the_error_for_a_missing_package_contains_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lameenc", None)
    async with open_espeak() as provider:
        with pytest.raises(MediaError) as caught:
            await speak(provider, build_spec())

    assert caught.value.reason is Reason.PROVIDER_UNAVAILABLE
    assert "`embedded`" in caught.value.message


async def test_an_engine_that_does_not_start_is_an_error() -> None:
    engine = EngineProcess(EspeakSettings(), executable="/bin/false")
    try:
        with pytest.raises(MediaError) as caught:
            await speak(EspeakProvider(engine), build_spec())
        assert caught.value.reason is Reason.PROVIDER_UNAVAILABLE
        assert engine.pid is None
    finally:
        await engine.close()


async def test_an_engine_that_never_becomes_ready_times_out() -> None:
    engine = EngineProcess(EspeakSettings(start_timeout_seconds=0.01))
    try:
        with pytest.raises(MediaError) as caught:
            await speak(EspeakProvider(engine), build_spec())
        assert caught.value.reason is Reason.PROVIDER_UNAVAILABLE
    finally:
        await engine.close()


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30).stdout


def test_the_service_can_be_imported_without_the_optional_packages() -> None:
    code = (
        "import sys\n"
        "for name in ('espeakng_loader', 'lameenc', 'soxr', 'numpy'): sys.modules[name] = None\n"
        "import services.tts, services.tts.providers.espeak.provider as provider\n"
        "print(provider.EspeakProvider.name)"
    )
    assert run_python(code).strip() == "espeak"


def test_the_engine_loads_neither_grpc_nor_aiohttp_nor_a_thread() -> None:
    code = (
        f"import sys, {ENGINE}, soxr\n"
        "threads = [line for line in open('/proc/self/status') if line.startswith('Threads')]\n"
        "print(sorted({'grpc', 'aiohttp', 'structlog', 'pydantic', 'asyncio'} & set(sys.modules)), threads)"
    )
    assert run_python(code).strip() == r"[] ['Threads:\t1\n']"


def test_the_command_of_the_engine_has_help() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", ENGINE, "--help"], capture_output=True, text=True, check=True, timeout=30
    )

    assert "--socket" in shown.stdout
    assert SENTENCE not in shown.stdout
