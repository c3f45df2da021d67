"""`python -m deploy.local clean-state`: deletes media, jobs and keys of the local suite, after a question."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TextIO

from deploy.local.state_dir import LOCK, hold_lock, prepare_folder, read_holder
from services.common.settings import ConfigurationError

DEMO_SUITE = "demo-suite"
_CONTENTS = ("state", DEMO_SUITE, "demo", "identity.pem", "jwks.json")
"""What the suite writes into its folder. All else stays, such as the lock: MEDIA_RUN_DIR may name any folder."""
_YES = "yes"
_MEBIBYTE = 1024 * 1024


def clean_state(folder: Path, *, is_confirmed: bool, stdin: TextIO) -> int:
    """Delete the state in `folder` and return the exit code.

    Args:
        folder: State folder of the suite.
        is_confirmed: Whether to delete without a question.
        stdin: Receives the answer to the question.

    Raises:
        ConfigurationError: A suite or a demo runs in the folder.
    """
    found = [folder / name for name in _CONTENTS if (folder / name).exists()]
    if not found:
        print(f"There is no state in {folder}")
        return 0
    _require_stopped(folder)
    _require_stopped(folder / DEMO_SUITE)
    if not (is_confirmed or _confirm(folder, found, stdin)):
        print("Nothing is deleted. Only the answer `yes` deletes; `make clean-state YES=1` does not ask.")
        return 1
    with hold_lock(prepare_folder(folder), LOCK, "make clean-state"):
        for path in found:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    print(f"Deleted the state in {folder}")
    return 0


def _require_stopped(folder: Path) -> None:
    holder = read_holder(folder)
    if holder is not None:
        raise ConfigurationError(f"{folder} is in use by {holder}; stop it first (Ctrl-C). Nothing is deleted.")


def _confirm(folder: Path, found: list[Path], stdin: TextIO) -> bool:
    files = [file for path in found for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    size = sum(file.lstat().st_size for file in files) / _MEBIBYTE
    sys.stdout.write(
        f"This deletes media, jobs, usage and keys in {folder}: {len(files)} files, {size:.1f} MiB.\n"
        "Links to media and tokens stop working. Type yes to delete: "
    )
    sys.stdout.flush()
    return stdin.readline().strip() == _YES
