"""The folder of the local suite's state, and the lock that prevents two suites from using it at once."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from services.common.settings import ConfigurationError

LOCK = "lock"
"""Name of the lock file of a suite."""
_RUNNING = "suite.json"
_OWNER_ONLY = 0o700


@dataclass(frozen=True, slots=True)
class RunningSuite:
    """What a running suite writes into its folder, for `make doctor`."""

    process_id: int
    """Id of the supervisor."""
    ports: Mapping[str, int]
    """Number of each port by its variable."""


def prepare_folder(folder: Path, setting: str = "MEDIA_RUN_DIR") -> Path:
    """Create `folder` with access for its owner only, and return its absolute path.

    Args:
        folder: The folder to create.
        setting: Variable that sets the folder; the error message names it.

    Raises:
        ConfigurationError: The folder cannot be created or is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=_OWNER_ONLY)
    except OSError as error:
        raise ConfigurationError(
            f"{setting}: cannot use {folder} ({os.strerror(error.errno or 0)}). Set it to a folder of your own."
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{setting}: cannot write to {folder}. Set it to a folder of your own.")
    return folder.resolve()


@contextmanager
def hold_lock(folder: Path, name: str, holder: str) -> Iterator[None]:
    """Hold the lock `name` of `folder`; the system releases it when this process ends, even if it is killed.

    Args:
        folder: The folder, which must exist.
        name: Name of the lock file.
        holder: Description of this process for the error of the next one, such as its id and address.

    Raises:
        ConfigurationError: Another process holds it.
    """
    with (folder / name).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ConfigurationError(
                f"A suite already runs in {folder}: {file.read().strip() or 'it is just starting'}.\n"
                "Stop it there (Ctrl-C), or start another one: MEDIA_PORT=8090 MEDIA_RUN_DIR=.run/8090 make run"
            ) from None
        file.truncate(0)
        file.write(holder)
        file.flush()
        yield


def read_holder(folder: Path, name: str = LOCK) -> str | None:
    """Return the description of the process that holds the lock `name` of `folder`; None if no process holds it."""
    try:
        file = (folder / name).open(encoding="utf-8")
    except OSError:
        return None
    with file:
        try:
            # A shared lock does not disturb other readers.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip() or "a suite that is just starting"
    return None


@contextmanager
def publish_running_suite(folder: Path, running: RunningSuite) -> Iterator[None]:
    """Describe the running suite in `folder` while the context is open; the caller holds the lock."""
    file = folder / _RUNNING
    file.write_text(json.dumps(asdict(running)), encoding="utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def read_running_suite(folder: Path) -> RunningSuite | None:
    """Return the suite that runs in `folder`; None if no suite runs there, or if it is just starting or stopping."""
    if read_holder(folder) is None:
        # A suite that was killed leaves its description behind.
        return None
    try:
        return RunningSuite(**json.loads((folder / _RUNNING).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
