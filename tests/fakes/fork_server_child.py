"""Module that the fork server runs in tests: prints its environment, then ends as its argument says."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

found = {
    "argv": sys.argv[1:],
    "folder": str(Path.cwd()),
    "word": os.environ.get("A_WORD"),
    "home": "HOME" in os.environ,
    "leads_a_session": os.getsid(0) == os.getpid(),
    "parent": os.getppid(),
    "pid": os.getpid(),
    "stdin": sys.stdin.read(),
    "is_preloaded": "wave" in sys.modules,
    "package": __package__,
}
sys.stdout.write(f"{json.dumps(found)}\n")
sys.stdout.flush()
match sys.argv[1:]:
    case ["exits"]:
        sys.exit(3)
    case ["raises"]:
        raise RuntimeError("no such luck")
    case ["waits"]:
        signal.pause()
