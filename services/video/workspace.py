"""Private folders for the files of one piece of work, which are gone when it ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
    def open(self) -> Iterator[Workspaces]:
        """Make the process's folder; removes it afterwards, and before that what processes that died have left."""
        self._parent.mkdir(parents=True, exist_ok=True)
        for left in self._parent.glob(f"{_PREFIX}*"):
            with _try_lock(left) as is_ours:
                if is_ours:
                    shutil.rmtree(left, ignore_errors=True)
        with ExitStack() as stack:
            self._root = self._create_folder(stack)
            try:
                yield self
            finally:
                shutil.rmtree(self._root, ignore_errors=True)
                self._root = None

    def _create_folder(self, stack: ExitStack) -> Path:
        """Return a new folder whose lock is held; one that somebody who tidies up claims first is left to him."""
        while True:
            root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
            if stack.enter_context(_try_lock(root)) and root.exists():
                return root

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Yield an empty folder that nobody else may enter."""
        folder = Path(tempfile.mkdtemp(dir=self._root))
        try:
            yield folder
        finally:
            # Not in a thread: a loop that shuts down would not begin it.
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _try_lock(folder: Path) -> Iterator[bool]:
    """Hold a lock on a folder and tells whether it was to be had.

    The system lets go of it when its holder ends, however it ends: process ids are used again, and those of another
    container mean nothing here.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)
