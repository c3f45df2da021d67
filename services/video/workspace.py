"""Private folders for the files of one piece of work, which are gone when it ends, however it ends."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "media-video-"


class Workspaces:
    """Makes folders below one of this process's own.

    Args:
        parent: Where; the system's folder for temporary files if None.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent or Path(tempfile.gettempdir())
        self._root: Path | None = None

    @contextmanager
    def opened(self) -> Iterator[Workspaces]:
        """Makes the process's folder; removes it afterwards, and before that what processes that died have left."""
        self._parent.mkdir(parents=True, exist_ok=True)
        for left in self._parent.glob(f"{_PREFIX}*"):
            if not _is_alive(left.name.removeprefix(_PREFIX).partition("-")[0]):
                shutil.rmtree(left, ignore_errors=True)
        self._root = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=self._parent))
        try:
            yield self
        finally:
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Yields an empty folder that nobody else may enter."""
        folder = Path(tempfile.mkdtemp(dir=self._root))
        try:
            yield folder
        finally:
            # Not in a thread: a loop that shuts down would not begin it.
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: str) -> bool:
    if not pid.isdigit():
        return False
    with suppress(ProcessLookupError):
        try:
            os.kill(int(pid), 0)
        except PermissionError:
            return True
        return True
    return False
