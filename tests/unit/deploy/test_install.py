"""Tests of the installation: it counts packages, shows progress, and reports pip's own error."""

from __future__ import annotations

import io
import re
import threading
from pathlib import Path

import pytest

from deploy.install import (
    Platform,
    count_packages,
    find_platform_problem,
    hold_lock,
    main,
    read_platform,
    show_progress,
)

ROOT = Path(__file__).parents[3]
LINES = [
    "Collecting one==1.0 (from -r some.lock (line 1))\n",
    "  Downloading one-1.0.whl (1 kB)\n",
    "Requirement already satisfied: two==2.0 in lib (from -r some.lock (line 2))\n",
    "Collecting three==3.0 (from -r some.lock (line 3))\n",
    "Collecting four-and-more==4.0\n",
    "Installing collected packages: one, three, four-and-more\n",
    "Successfully installed one-1.0\n",
]


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_package_with_a_version_for_each_python_counts_once() -> None:
    assert count_packages("a==1 ; python_version < '3.12' \\\n    --hash=x\na==2 \\\n    # via b\nb-c==3\n") == 2


def test_the_locks_of_the_suite_have_packages() -> None:
    assert 50 < count_packages((ROOT / "requirements.lock").read_text()) < 200


def test_a_terminal_shows_each_package_on_one_line() -> None:
    terminal = FakeTerminal()
    show_progress(LINES, 4, terminal)
    steps = re.findall(r"(\d)/4 ([a-z -]+)", terminal.getvalue())
    assert steps == [("1", "one"), ("2", "two"), ("3", "three"), ("4", "four-and-more"), ("4", "writing files")]
    assert "\n" not in terminal.getvalue()


def test_a_log_gets_a_line_at_each_quarter() -> None:
    log = io.StringIO()
    show_progress([f"Collecting p{number}==1\n" for number in range(100)], 100, log)
    assert log.getvalue().split() == ["25/100", "p24", "50/100", "p49", "75/100", "p74", "100/100", "p99"]


def test_the_last_lines_are_kept_for_an_error() -> None:
    assert show_progress(LINES, 4, io.StringIO())[-1] == "Successfully installed one-1.0"


def test_a_failure_shows_what_pip_says_and_its_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text("media suite ==\n")
    assert main([str(lock)]) != 0
    printed = capsys.readouterr()
    assert "some.lock" in printed.err
    assert "ERROR" in printed.err
    assert "Installed" not in printed.out


def test_two_installations_take_turns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []

    def install_second() -> None:
        with hold_lock(tmp_path / "lock"):
            order.append("second")

    with hold_lock(tmp_path / "lock"):
        second = threading.Thread(target=install_second)
        second.start()
        while "Waiting" not in capsys.readouterr().out:
            second.join(0.01)
        order.append("first")
    second.join(30)
    assert order == ["first", "second"]


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (Platform("linux", "x86_64", (2, 31)), ""),
        (Platform("linux", "aarch64", (2, 41)), ""),
        (Platform("darwin", "arm64", (15, 0)), ""),
        (Platform("darwin", "arm64", (26, 1)), ""),
        (Platform("darwin", "x86_64", (15, 0)), "An Intel Mac"),
        (Platform("darwin", "arm64", (14, 7)), "macOS 14.7, older than 15.0,"),
        (Platform("linux", "x86_64", (2, 28)), "glibc 2.28, older than 2.31,"),
        (Platform("linux", "x86_64", ()), "Linux without glibc, such as Alpine,"),
        (Platform("linux", "riscv64", (2, 41)), "The architecture riscv64"),
        (Platform("win32", "AMD64", ()), "The system win32"),
    ],
)
def test_a_platform_without_packages_is_named(found: Platform, problem: str) -> None:
    assert find_platform_problem(found) == problem


def test_this_machine_has_packages() -> None:
    assert find_platform_problem(read_platform()) == ""


def test_the_readme_names_the_oldest_platforms() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "glibc 2.31 or newer" in readme
    assert "macOS 15 or newer" in readme
