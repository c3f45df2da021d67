"""`python -m tools.numbers`: print the size, names, prose and repetition of the source, to compare before and after.

With `--idle` it also starts the suite and prints its idle memory and start time (needs gcc, as `make bench` does).
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import median

from tools.prose import Count, count_tree

ROOT = Path(__file__).resolve().parents[1]
SHORT_LINES = 60
"""A shorter file should be a table, an `__init__` or a boundary."""
LONG_LINES = 400
"""Longest file that the project accepts."""
RUN_LINES = 6
"""Shortest run of equal lines that counts as a duplicate."""

_LEFT_OUT = ("protos/gen/", "tests/", "examples/", "tools/")
_SAME_AS_VERB = frozenset({"cut", "embed", "feed", "need", "put", "read", "run", "seed", "set", "speed", "split"})
_IRREGULAR = re.compile(
    "begun|bought|bound|brought|built|caught|chosen|done|drawn|driven|fallen|felt|forgotten|found|given|gone|heard|held"
    "|kept|known|laid|led|left|lent|lost|made|meant|met|paid|said|seen|sent|shown|shut|sold|spent|spoken|taken|taught"
    "|told|thought|understood|withdrawn|won|worn|written"
)


def is_participle(name: str) -> bool:
    """Return whether the first word of a function's name is a past participle, and not also the base form of a verb."""
    word = name.strip("_").split("_")[0]
    if word in _SAME_AS_VERB:
        return False
    return _IRREGULAR.fullmatch(word) is not None or (word.endswith("ed") and len(word) > len("red"))


def list_functions(source: str) -> list[str]:
    """Return the names of all functions and methods of a module, nested ones included."""
    nodes = ast.walk(ast.parse(source))
    return [node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def count_duplicate_runs(sources: Mapping[str, str]) -> int:
    """Count the runs of `RUN_LINES` or more equal lines that two files share; blank lines and imports do not count."""
    places: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    for path, source in sources.items():
        lines = _normalize(source)
        for start in range(len(lines) - RUN_LINES + 1):
            places[tuple(lines[start : start + RUN_LINES])].append((path, start))
    shared: dict[tuple[str, str, int], set[int]] = defaultdict(set)
    for found in places.values():
        for (first, start), (second, other) in combinations(found, 2):
            if first != second:
                shared[first, second, other - start].add(start)
    return sum(_count_runs(starts) for starts in shared.values())


def measure_source(root: Path) -> dict[str, float]:
    """Return the figures of the source below a checkout; tests and generated stubs count for prose only."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=root, check=True, capture_output=True, text=True)
    paths = [path for path in listed.stdout.splitlines() if not path.startswith(_LEFT_OUT) and (root / path).is_file()]
    sources = {path: (root / path).read_text("utf-8") for path in paths}
    lengths = [source.count("\n") for source in sources.values()]
    functions = [name for source in sources.values() for name in list_functions(source)]
    return {
        "files": len(sources),
        "median lines of a file": median(lengths),
        f"files under {SHORT_LINES} lines": sum(length < SHORT_LINES for length in lengths),
        f"files over {LONG_LINES} lines": sum(length > LONG_LINES for length in lengths),
        "functions": len(functions),
        "functions named by participles, %": 100 * sum(map(is_participle, functions)) / len(functions),
        "prose markers per 1,000 words": sum(count_tree(root).values(), Count(0, ())).per_1000_words,
        f"runs of {RUN_LINES} equal lines in two files": count_duplicate_runs(sources),
    }


def measure_idle() -> dict[str, float]:
    """Return idle memory and start time of the suite of this checkout."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "bench", "--scenario", "idle", "--json", str(report)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        idle = json.loads(report.read_text())["idle"]
    return {
        "idle memory, MB PSS": sum(idle["pss_bytes"].values()) / 1e6,
        "start time, seconds": idle["ready_seconds"],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one figure per line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--root", type=Path, default=ROOT, help="checkout to measure (default: this one)")
    parser.add_argument("--idle", action="store_true", help="also start this suite and measure it")
    options = parser.parse_args(arguments)
    figures = measure_source(options.root) | (measure_idle() if options.idle else {})
    for name, value in figures.items():
        print(f"{name:40} {value:10.1f}" if value % 1 else f"{name:40} {value:8.0f}")
    return 0


def _normalize(source: str) -> list[str]:
    lines = (line.strip() for line in source.splitlines())
    return [line for line in lines if line and not line.startswith(("import ", "from ", "#"))]


def _count_runs(starts: Iterable[int]) -> int:
    found = set(starts)
    return sum(start - 1 not in found for start in found)


if __name__ == "__main__":
    raise SystemExit(main())
