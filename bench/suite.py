"""Starts the fake provider and the suite of `make run` for a measurement, in a temporary folder."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.errors import BenchError
from deploy.local import watchdog
from deploy.local.dev_keys import ensure_identity, issue_token
from deploy.local.ports import EDGE, Chosen, choose_free_ports
from deploy.local.processes import SUITE, Process, ProcessSpec, build_processes, list_ports

_READY_SECONDS = 30.0
_POLL_SECONDS = 0.02
_STOP_SECONDS = 5.0
_ANSWER_SECONDS = 5.0
_UNLIMITED = "1000000"


@dataclass(frozen=True, slots=True)
class Provider:
    """The running fake provider."""

    pid: int
    url: str

    def calls(self) -> int:
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


def build_overrides(provider_url: str) -> dict[str, str]:
    """Return the variables that point the suite at the fake provider and lift the limits that a load would reach."""
    return {
        "ELEVENLABS_API_KEY": "bench",
        "ELEVENLABS_BASE_URL": provider_url,
        "TTS_DEFAULT_PROVIDER": "elevenlabs",
        "MEDIA_RATE_LIMIT_PER_SECOND": _UNLIMITED,
        "MEDIA_RATE_LIMIT_TOTAL_PER_SECOND": _UNLIMITED,
        "MEDIA_LOG_LEVEL": "INFO",
    }


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
def run_suite(folder: Path, provider: Provider, variables: Mapping[str, str]) -> Iterator[Suite]:
    """Run the suite until the context is left.

    Args:
        folder: Folder for its keys, logs and data.
        provider: Provider of its speech.
        variables: Differences from the environment of `make run`.

    Raises:
        BenchError: A process ends or does not become ready; the text has its last lines.
    """
    with run_specs(SUITE, folder, {**build_overrides(provider.url), **variables}) as (pids, chosen):
        token = issue_token(folder, "bench")
        yield Suite(f"http://127.0.0.1:{chosen[EDGE.variable]}", token, dict(reversed(pids.items())))


@contextmanager
def run_specs(
    specs: Sequence[ProcessSpec], folder: Path, variables: Mapping[str, str]
) -> Iterator[tuple[dict[str, int], Chosen]]:
    """Run some processes of the suite until the context is left; yield their pids and the port of each variable.

    Args:
        specs: Processes, in the order of starting.
        folder: Folder for their keys, logs and data.
        variables: Differences from the environment of `make run`.

    Raises:
        BenchError: A process ends or does not become ready; the text has its last lines.
    """
    chosen = choose_free_ports(list_ports(specs))
    made = build_processes(specs, chosen, jwks_file=ensure_identity(folder), log_format="json", folder=folder)
    with _guard() as guard, ExitStack() as stack:
        pids = {spec.name: stack.enter_context(_run_process(spec, folder, variables, guard)) for spec in made}
        yield pids, chosen


@contextmanager
def _guard() -> Iterator[IO[bytes]]:
    """Yield the pipe to a watchdog, which ends the suite if this process is killed."""
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
            # A folder without the user's .env.
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


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process in order, or at once if that takes too long."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _send_to_watchdog(guard: IO[bytes], line: bytes) -> None:
    guard.write(line)
    guard.flush()


def _wait_until_ready(spec: Process, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not asyncio.run(_ask(spec)):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise BenchError(f"{spec.name} does not start. Its last lines:\n{tail}")
        time.sleep(_POLL_SECONDS)


async def _ask(spec: Process) -> bool:
    return await spec.ready()
