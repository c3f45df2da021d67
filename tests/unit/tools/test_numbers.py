"""The figures of the source: names, duplicates and sizes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.numbers import count_duplicate_runs, is_participle, list_functions, main, measure_source

BLOCK = "".join(f"value_{number} = {number}\n" for number in range(8))


@pytest.mark.parametrize("name", ["told", "_drawn", "opened", "made_of", "begun", "_cached_value"])
def test_a_function_named_by_a_participle_is_found(name: str) -> None:
    assert is_participle(name)


@pytest.mark.parametrize("name", ["tell", "_draw", "read_all", "put", "run_once", "feed", "is_opened", "seed_of"])
def test_a_function_named_by_a_verb_is_not_a_participle(name: str) -> None:
    assert not is_participle(name)


def test_nested_functions_and_methods_are_listed() -> None:
    source = "class A:\n    def b(self):\n        async def c(): ...\n"
    assert list_functions(source) == ["b", "c"]


def test_a_run_that_two_files_share_counts_once_at_any_length() -> None:
    assert count_duplicate_runs({"a.py": BLOCK, "b.py": f"other = 1\n\n{BLOCK}"}) == 1


def test_short_runs_and_repetition_within_one_file_do_not_count() -> None:
    assert count_duplicate_runs({"a.py": "".join(BLOCK.splitlines(keepends=True)[:5]), "b.py": BLOCK}) == 0
    assert count_duplicate_runs({"a.py": BLOCK + "other = 1\n" + BLOCK}) == 0


def test_a_checkout_is_measured_without_its_tests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "a.py").write_text(f'"""The caller nobody names."""\n\n\ndef told() -> None: ...\n{BLOCK}')
    (tmp_path / "tests" / "b.py").write_text(BLOCK)
    for command in (["git", "init", "-q"], ["git", "add", "."]):
        subprocess.run(command, cwd=tmp_path, check=True)
    figures = measure_source(tmp_path)
    assert (figures["files"], figures["functions"], figures["functions named by participles, %"]) == (1, 1, 100)
    assert figures["prose markers per 1,000 words"] == 250
    assert main(["--root", str(tmp_path)]) == 0
    assert "functions named by participles, %             100" in capsys.readouterr().out
