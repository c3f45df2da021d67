"""A copy of the contracts that a test may change, break and build."""

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

    def run_tool(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the contract tool of this copy."""
        return self.run(sys.executable, str(self.protos / "contracts.py"), *arguments)

    def commit(self) -> None:
        """Commit all files of the copy on the branch `main`."""
        if not (self.root / ".git").exists():
            self.run_git("init", "--quiet", "--initial-branch=main")
        self.run_git("add", "--all")
        self.run_git("commit", "--quiet", "--message", "contracts")

    def run_git(self, *arguments: str) -> None:
        """Run git in the copy, without the user's configuration."""
        result = self.run("git", "-c", "user.name=test", "-c", "user.email=test@example.org", *arguments)
        assert result.returncode == 0, result.stderr

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the copy, without the user's git settings and import paths, and return the ended process."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTHONPATH"))}
        return subprocess.run(
            command,
            cwd=self.root,
            env={**clean, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
