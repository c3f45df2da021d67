"""A copy of the contracts in which a test may change, break and build things."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Workspace:
    """A copy of `protos/` below a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.protos = root / "protos"
        shutil.copytree(ROOT / "protos", self.protos, ignore=shutil.ignore_patterns("__pycache__"))

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace the only occurrence of `old` in a file below `protos/`."""
        file = self.protos / path
        content = file.read_text()
        assert content.count(old) == 1, f"{path} has {content.count(old)} times {old!r}"
        file.write_text(content.replace(old, new))

    def contracts(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the contract tool of this copy."""
        return self.run(sys.executable, str(self.protos / "contracts.py"), *arguments)

    def commit(self) -> None:
        """Commit what is here as branch `main`."""
        if not (self.root / ".git").exists():
            self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "contracts")

    def git(self, *arguments: str) -> None:
        """Run git here, without the user's configuration."""
        done = self.run("git", "-c", "user.name=test", "-c", "user.email=test@example.org", *arguments)
        assert done.returncode == 0, done.stderr

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command here and return the finished process."""
        without_git = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return subprocess.run(
            command,
            cwd=self.root,
            env={**without_git, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
