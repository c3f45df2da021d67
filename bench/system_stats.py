"""Reads the CPU time and memory of processes, and the load of the whole machine."""

from __future__ import annotations

import time

import psutil

_SAMPLE_SECONDS = 0.2


def read_cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its descendants so far, in steps of 10 ms."""
    return sum(_read_own_cpu_seconds(process) for process in list_descendants(pid))


def read_pss_bytes(process: psutil.Process) -> int:
    """Return the memory of one process; it counts the nth part of a page that n processes share."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


def read_busy_seconds() -> float:
    """Return the CPU time of all cores since the machine started."""
    # The time of guests counts as user time already.
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def list_descendants(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants; leave out processes that have ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def read_command(process: psutil.Process) -> list[str]:
    """Return the command line of a process; empty if it has ended."""
    try:
        # Zero bytes follow the command line that a forked process has set.
        return [part for part in process.cmdline() if part]
    except psutil.NoSuchProcess:
        return []


def wait_until_quiet(cores: float, timeout_seconds: float) -> None:
    """Return when the machine uses fewer than `cores`, or after the timeout."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        before = read_busy_seconds()
        time.sleep(_SAMPLE_SECONDS)
        if (read_busy_seconds() - before) / _SAMPLE_SECONDS < cores:
            return


def _read_own_cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time of one process and of its children that have ended."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
