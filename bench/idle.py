"""Measures the memory of the idle suite, supervisor included, and its start time: `make run` on free ports."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench import system_stats
from bench.suite import BenchError, build_overrides, stop
from deploy.local.ports import EDGE, choose_free_ports
from deploy.local.processes import SUITE, list_ports

_READY_SECONDS = 30.0
_POLL_SECONDS = 0.02
_ANSWER_SECONDS = 2.0
_SETTLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class IdleSuite:
    """Memory and start time of the suite before the first request."""

    ready_seconds: float
    """Time from the command to the first successful response of the edge."""
    pss_bytes: Mapping[str, int]
    """Memory by program; if n processes share a page, each counts 1/n of it."""

    @property
    def total_bytes(self) -> int:
        """Memory of all programs."""
        return sum(self.pss_bytes.values())


def measure_idle(folder: Path, provider_url: str) -> IdleSuite:
    """Start the suite, wait until it is ready and idle, measure its memory and stop it.

    Args:
        folder: Folder for its keys and its log.
        provider_url: URL of the fake provider.

    Raises:
        BenchError: The suite does not become ready.
    """
    chosen = choose_free_ports(list_ports(SUITE))
    ports = {variable: str(port) for variable, port in chosen.items()}
    log = folder / "idle.log"
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", "run"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ports, **build_overrides(provider_url), "MEDIA_RUN_DIR": str(folder / "idle")},
            cwd=folder,
            start_new_session=True,
        )
    try:
        _wait_until_ready(f"http://127.0.0.1:{chosen[EDGE.variable]}/health", process, log)
        ready_seconds = time.monotonic() - began
        time.sleep(_SETTLE_SECONDS)
        return IdleSuite(ready_seconds, _measure_memory(process.pid))
    finally:
        # The suite ends its own children; if it cannot, its watchdog does.
        stop(process)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not _is_healthy(url):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise BenchError(f"The suite does not start. Its last lines:\n{tail}")
        time.sleep(_POLL_SECONDS)


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - always http, on loopback
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, OSError):
        return False


def _measure_memory(pid: int) -> dict[str, int]:
    weights: dict[str, int] = {}
    for process in system_stats.list_descendants(pid):
        if command := system_stats.read_command(process):
            name = find_program(command)
            weights[name] = weights.get(name, 0) + system_stats.read_pss_bytes(process)
    return weights


def find_program(command: Sequence[str]) -> str:
    """Return the name of a program: its module if it is Python, else its file name."""
    if len(command) == 1:
        # A forked process sets its command line as one string.
        command = command[0].split()
    for flag, module in pairwise(command):
        if flag == "-m":
            return module
    scripts = [part for part in command if part.endswith(".py")]
    return Path(scripts[0]).stem if scripts else Path(command[0]).name
