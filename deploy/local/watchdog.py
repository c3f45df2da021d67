"""Script that ends the processes of a killed supervisor; it reads their process groups from standard input.

A supervisor that gets SIGKILL cannot clean up, so this process runs beside it, in its own session, where Ctrl-C does
not reach it. The supervisor writes `+<group>` when it starts a process and `-<group>` when the process has ended. When
the supervisor dies, the system closes the pipe, and standard input ends. The remaining groups then get SIGTERM and,
after the seconds in the only argument, SIGKILL. Unlike PR_SET_PDEATHSIG this works on other systems than Linux, needs
no code between fork and exec, reaches grandchildren, and gives all processes time for an orderly stop.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable

_POLL_SECONDS = 0.05


def main() -> None:
    """Record the groups until standard input ends, then end them."""
    groups: set[int] = set()
    for line in sys.stdin:
        action, group = line[0], int(line[1:])
        if action == "+":
            groups.add(group)
        else:
            groups.discard(group)
    end_groups(groups, float(sys.argv[1]))


def end_groups(groups: Iterable[int], grace_seconds: float) -> None:
    """Send SIGTERM to each group, and SIGKILL to those that still exist after `grace_seconds`."""
    remaining = {group for group in groups if send_signal(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace_seconds
    while remaining and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        remaining = {group for group in remaining if send_signal(group, 0)}
    for group in remaining:
        send_signal(group, signal.SIGKILL)


def send_signal(group: int, number: int) -> bool:
    """Send a signal to a process group; return whether the group exists."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # macOS returns EPERM if only zombies are left.
        return False
    return True


if __name__ == "__main__":
    main()
