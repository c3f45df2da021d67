"""Ends the processes that a killed supervisor leaves behind: a script that reads process groups from standard input.

A supervisor that gets SIGKILL cannot clean up, so this process waits beside it, in a session of its own where no
Ctrl-C reaches it. The supervisor writes `+<group>` when it starts a process and `-<group>` when that has ended. When
standard input ends, which the system sees to however the supervisor died, the groups that remain get SIGTERM and, after
the grace given as the only argument, SIGKILL. Unlike PR_SET_PDEATHSIG this works beyond Linux, needs no code between
fork and exec, reaches grandchildren, and gives all processes time for an orderly end.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable

_POLL_SECONDS = 0.05


def main() -> None:
    """Keep the list of groups until standard input ends, then end them."""
    groups: set[int] = set()
    for line in sys.stdin:
        action, group = line[0], int(line[1:])
        if action == "+":
            groups.add(group)
        else:
            groups.discard(group)
    end(groups, float(sys.argv[1]))


def end(groups: Iterable[int], grace_seconds: float) -> None:
    """Send SIGTERM to each group, and SIGKILL to those that still exist after `grace_seconds`."""
    remaining = {group for group in groups if send(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace_seconds
    while remaining and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        remaining = {group for group in remaining if send(group, 0)}
    for group in remaining:
        send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """Send a signal to a process group; return whether the group exists."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # macOS answers EPERM where only zombies are left.
        return False
    return True


if __name__ == "__main__":
    main()
