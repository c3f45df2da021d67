"""Tests of the Makefile: its commands work in folders of any name, and `make clean` keeps media, jobs and keys."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MAKEFILE = (ROOT / "Makefile").read_text()
NAMES = ["(round) [1]*?", "it's `id` #é%20", 'say "x" $HOME & a;b|c']


def copy_tree(folder: Path) -> Path:
    """Return a folder with what the first step of an installation needs."""
    (folder / "deploy").mkdir(parents=True)
    (folder / "protos" / "gen").mkdir(parents=True)
    for name in ("Makefile", "deploy/__init__.py"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "requirements.lock").write_text("")
    (folder / "deploy" / "install.py").write_text("import sys; print('installs', sys.argv[1])")
    return folder


def run_make(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MAKE"))}
    result = subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("name", NAMES)
def test_make_sets_up_a_checkout_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    folder = copy_tree(tmp_path / name)
    # pip is not needed here, and takes seconds to install.
    (folder / "Makefile").write_text(MAKEFILE.replace("-m venv $(VENV)", "-m venv --without-pip $(VENV)"))
    assert "installs requirements.lock" in run_make(folder, ".venv/.runtime-installed")
    (roots,) = folder.glob(".venv/lib/*/site-packages/media-suite.pth")
    assert roots.read_text().splitlines() == [str(folder), f"{folder}/protos/gen"]


def test_clean_keeps_media_jobs_and_keys(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "checkout")
    for name in (".run/state/objects/image.webp", ".venv/bin/python", ".mypy_cache/x", "deploy/__pycache__/x.pyc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    run_make(folder, "clean")
    assert (folder / ".run/state/objects/image.webp").exists()
    assert not (folder / ".venv").exists()
    assert not (folder / ".mypy_cache").exists()
    assert not (folder / "deploy" / "__pycache__").exists()


def test_no_recipe_contains_the_path_of_the_checkout_or_runs_a_script_with_that_path() -> None:
    assert "CURDIR" not in MAKEFILE
    programs = set(re.findall(r"\$\(BIN\)/(\S+)", MAKEFILE))
    assert programs == {"python"}


def test_every_target_is_phony_or_a_file() -> None:
    declared = set(re.findall(r"^\.PHONY: (.+)$", MAKEFILE, flags=re.MULTILINE)[0].split())
    assert declared == set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))
