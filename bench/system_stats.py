"""Reads from /proc the CPU time and memory of processes, and the load of the whole machine."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# /proc/PID/stat after the command in brackets: user and system time, then those of children that have ended.
_CPU_FIELDS = slice(11, 15)
# The line `cpu` of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal; guests count as user already.
_BUSY_FIELDS = (0, 1, 2, 5, 6, 7)
_SAMPLE_SECONDS = 0.2


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its descendants so far, in steps of 10 ms."""
    stats = _read(_PROC / str(process) / "stat" for process in descendants(pid))
    return sum(cpu_ticks(text) for text in stats) / _TICKS_PER_SECOND


def own_pss_bytes(pid: int) -> int:
    """Return the memory of one process; it counts the nth part of a page that n processes share."""
    return sum(parse_pss_bytes(text) for text in _read([_PROC / str(pid) / "smaps_rollup"]))


def busy_seconds() -> float:
    """Return the CPU time of all cores since the machine started."""
    return busy_ticks((_PROC / "stat").read_text()) / _TICKS_PER_SECOND


def descendants(pid: int) -> Iterator[int]:
    """Yield a process and its descendants; skip processes that have ended."""
    yield pid
    for children in _read(_PROC.glob(f"{pid}/task/*/children")):
        for child in children.split():
            yield from descendants(int(child))


def read_command(pid: int) -> list[str]:
    """Return the command line of a process; empty if it has ended."""
    return [part for text in _read([_PROC / str(pid) / "cmdline"]) for part in text.split("\0") if part]


def wait_until_quiet(cores: float, timeout_seconds: float) -> None:
    """Return when the machine uses fewer than `cores`, or after the timeout."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        before = busy_seconds()
        time.sleep(_SAMPLE_SECONDS)
        if (busy_seconds() - before) / _SAMPLE_SECONDS < cores:
            return


def cpu_ticks(stat: str) -> int:
    """Return the CPU time in /proc/PID/stat, with that of children that have ended."""
    # The command itself may contain brackets and spaces.
    after_command = stat.rpartition(")")[2].split()
    return sum(int(value) for value in after_command[_CPU_FIELDS])


def parse_pss_bytes(smaps_rollup: str) -> int:
    """Return the bytes of Pss in /proc/PID/smaps_rollup."""
    for line in smaps_rollup.splitlines():
        name, _, value = line.partition(":")
        if name == "Pss":
            return int(value.split()[0]) * 1024
    return 0


def busy_ticks(stat: str) -> int:
    """Return the busy time of all cores in /proc/stat."""
    values = [int(value) for value in stat.partition("\n")[0].split()[1:]]
    return sum(values[index] for index in _BUSY_FIELDS)


def _read(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        try:
            yield path.read_text()
        except (FileNotFoundError, ProcessLookupError):
            # The process has ended.
            continue
