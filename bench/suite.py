"""Compiles the tools of the benchmark, and runs the fake provider and the suites of `make run` that it compares."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from pymongo import MongoClient

from bench.scenarios import FULL, MONGODB, SQLITE, Scenario
from deploy.local import watchdog
from deploy.local.dev_keys import ensure_identity, issue_token
from deploy.local.ports import EDGE, PortNumbers, choose_free_ports
from deploy.local.processes import SUITE, Process, ProcessSpec, build_processes, list_ports

MONGO_URI = "MEDIA_TEST_MONGO_URI"
"""Variable with the URI of a MongoDB server to measure with; without it, no suite runs with MongoDB."""

_NO_MEMORY = {"TTS_CACHE_MEMORY_BYTES": "0"}

_SOURCES = Path(__file__).resolve().parent
_BUILD = _SOURCES / "build"
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror")
_COMPILE_SECONDS = 60
_READY_SECONDS = 30.0
_POLL_SECONDS = 0.02
_STOP_SECONDS = 5.0
_ANSWER_SECONDS = 5.0
_UNLIMITED = "1000000"


class BenchError(Exception):
    """Raised when nothing can be measured; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The compiled programs."""

    provider: Path
    """The fake provider."""
    load: Path
    """The load generator."""


def compile_tools() -> Tools:
    """Return the programs; compile them first if a source is newer.

    Raises:
        BenchError: gcc is missing, or it fails.
    """
    return Tools(
        provider=_compile_program("provider", "provider.c", "answer.c", "records.c"),
        load=_compile_program("load", "load.c", "options.c", "response.c", "samples.c"),
    )


def _compile_program(name: str, *sources: str) -> Path:
    program = _BUILD / name
    if not _is_outdated(program, _SOURCES.glob("*.[ch]")):
        return program
    gcc = shutil.which("gcc")
    if gcc is None:
        raise BenchError("gcc is missing; install it (Debian and Ubuntu: apt-get install gcc libc6-dev) and try again.")
    _BUILD.mkdir(exist_ok=True)
    command = [gcc, *_FLAGS, "-o", str(program), *(str(_SOURCES / source) for source in sources), "-lm"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_SECONDS, check=False)
    if result.returncode:
        raise BenchError(f"gcc failed to compile {name}; Linux with glibc 2.35 or newer is needed.\n{result.stderr}")
    return program


def _is_outdated(program: Path, sources: Iterable[Path]) -> bool:
    if not program.exists():
        return True
    return any(source.stat().st_mtime > program.stat().st_mtime for source in sources)


@dataclass(frozen=True, slots=True)
class Provider:
    """The running fake provider."""

    pid: int
    url: str

    def count_calls(self) -> int:
        """Return the number of speech requests so far."""
        with urllib.request.urlopen(f"{self.url}/calls", timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - always http
            return int(answer.read())


@dataclass(frozen=True, slots=True)
class Suite:
    """The running suite."""

    url: str
    """URL of the edge."""
    token: str
    """Bearer token of a user."""
    pids: Mapping[str, int]
    """Processes by name, in the order in which a request passes them."""


@contextmanager
def run_provider(program: Path) -> Iterator[Provider]:
    """Run the fake provider until the context is left."""
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            if not port:
                raise BenchError("The fake provider does not start.")
            yield Provider(process.pid, f"http://127.0.0.1:{port}")
        finally:
            process.kill()


@contextmanager
def run_suites(folder: Path, provider: Provider, scenarios: Sequence[Scenario]) -> Iterator[Mapping[str, Suite]]:
    """Run the suites that `scenarios` need, each with another speech cache, until the context ends; yield them by name.

    Raises:
        BenchError: A suite does not start.
    """
    wanted = {name for scenario in scenarios for name in scenario.suites}
    with ExitStack() as stack:
        variables = {FULL: {"MONGODB_URI": ""}, SQLITE: {**_NO_MEMORY, "MONGODB_URI": ""}}
        if MONGODB in wanted and (uri := os.environ.get(MONGO_URI, "")):
            variables[MONGODB] = {**_NO_MEMORY, "MONGODB_URI": stack.enter_context(_create_scratch_database(uri))}
        suites: dict[str, Suite] = {}
        for name in variables.keys() & wanted:
            suite_folder = folder / name
            suite_folder.mkdir()
            suites[name] = stack.enter_context(run_suite(suite_folder, provider, variables[name]))
        yield {name: suites[name] for name in variables if name in suites}


@contextmanager
def _create_scratch_database(server_uri: str) -> Iterator[str]:
    """Yield the connection string of a temporary database."""
    name = f"bench_{secrets.token_hex(4)}"
    uri = urlsplit(server_uri)._replace(path=f"/{name}").geturl()
    try:
        yield uri
    finally:
        with MongoClient[dict[str, Any]](uri) as client:
            client.drop_database(name)


@contextmanager
def run_suite(folder: Path, provider: Provider, variables: Mapping[str, str]) -> Iterator[Suite]:
    """Run the suite until the context is left.

    Args:
        folder: Folder for its keys, logs and data.
        provider: The fake provider that the suite calls.
        variables: Differences from the environment of `make run`.

    Raises:
        BenchError: A process ends or does not become ready; the message has the last lines of its log.
    """
    with run_specs(SUITE, folder, {**build_overrides(provider.url), **variables}) as (pids, chosen):
        token = issue_token(folder, "bench")
        yield Suite(f"http://127.0.0.1:{chosen[EDGE.variable]}", token, dict(reversed(pids.items())))


def build_overrides(provider_url: str) -> dict[str, str]:
    """Return the variables that connect the suite to the fake provider, and raise the limits that a load may reach."""
    return {
        "ELEVENLABS_API_KEY": "bench",
        "ELEVENLABS_BASE_URL": provider_url,
        "TTS_DEFAULT_PROVIDER": "elevenlabs",
        "MEDIA_RATE_LIMIT_PER_SECOND": _UNLIMITED,
        "MEDIA_RATE_LIMIT_TOTAL_PER_SECOND": _UNLIMITED,
        "MEDIA_LOG_LEVEL": "INFO",
    }


@contextmanager
def run_specs(
    specs: Sequence[ProcessSpec], folder: Path, variables: Mapping[str, str]
) -> Iterator[tuple[dict[str, int], PortNumbers]]:
    """Run some processes of the suite until the context is left; yield their pids and the port of each variable.

    Args:
        specs: Processes, in the order of starting.
        folder: Folder for their keys, logs and data.
        variables: Differences from the environment of `make run`.

    Raises:
        BenchError: A process ends or does not become ready; the message has the last lines of its log.
    """
    chosen = choose_free_ports(list_ports(specs))
    processes = build_processes(specs, chosen, jwks_file=ensure_identity(folder), log_format="json", folder=folder)
    with _start_watchdog() as guard, ExitStack() as stack:
        pids = {spec.name: stack.enter_context(_run_process(spec, folder, variables, guard)) for spec in processes}
        yield pids, chosen


@contextmanager
def _start_watchdog() -> Iterator[IO[bytes]]:
    """Start a watchdog that ends the suite if this process is killed; yield the pipe to it."""
    command = [sys.executable, "-I", "-S", watchdog.__file__, str(_STOP_SECONDS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        if process.stdin is None:
            raise RuntimeError("a process that was started with a pipe has none")
        # Leaving the context closes the pipe, which ends the process.
        yield process.stdin


@contextmanager
def _run_process(spec: Process, folder: Path, changed: Mapping[str, str], guard: IO[bytes]) -> Iterator[int]:
    log = folder / f"{spec.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            spec.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**spec.environment, **changed},
            # This folder has no .env file.
            cwd=folder,
            start_new_session=True,
        )
    try:
        _send_to_watchdog(guard, b"+%d\n" % process.pid)
        _wait_until_ready(spec, process, log)
        yield process.pid
    finally:
        stop(process)
        _send_to_watchdog(guard, b"-%d\n" % process.pid)


def _send_to_watchdog(guard: IO[bytes], line: bytes) -> None:
    guard.write(line)
    guard.flush()


def _wait_until_ready(spec: Process, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not asyncio.run(_is_ready(spec)):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise BenchError(f"{spec.name} does not start. Its last lines:\n{tail}")
        time.sleep(_POLL_SECONDS)


async def _is_ready(spec: Process) -> bool:
    return await spec.ready()


def stop(process: subprocess.Popen[bytes]) -> None:
    """Terminate a process, and kill it if it does not end within some seconds."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
