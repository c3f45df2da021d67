"""`python -m tools.prose`: count words that hide the actor of a sentence, in code, tests and documents.

The check fails above `LIMIT_PER_1000_WORDS`. `--list` prints every place. CONTRIBUTING.md says what to write instead.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LIMIT_PER_1000_WORDS = 1.0
"""Highest share of markers that passes, in each area and in all."""

MARKERS = re.compile(
    r"\b(?:he|she|his|hers?|him|who|whom|who(?:m|se)?ever|nobody|anew|can not|of which"
    r"|(?:is|are|was|were|be|been|being) told|(?:is|are|was|were) none)\b",
    re.IGNORECASE,
)
"""Words that the style guide in CONTRIBUTING.md forbids: they hide the actor, or invert the sentence."""

_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_COMMENT = re.compile(r"//(.*)$|^\s*#(.*)$", re.MULTILINE)
_MESSAGE_WORDS = 3
"""A string literal with fewer words is a value, not a sentence."""
_AREA = re.compile(r"^(?:services/\w+(?=/)|[^/]+)")
_LEFT_OUT = ("protos/gen/", "protos/buf/", "tests/golden/", "tools/prose.py", "tests/unit/tools/test_prose.py")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of prose and the line on which it begins."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker and its place."""

    path: str
    line: int
    word: str


@dataclass(frozen=True, slots=True)
class Count:
    """The words of one area, and the markers among them."""

    words: int
    markers: tuple[Marker, ...]

    @property
    def per_1000_words(self) -> float:
        """Markers per 1,000 words; 0 where there is no prose."""
        return 1000 * len(self.markers) / self.words if self.words else 0.0

    def __add__(self, other: Count) -> Count:
        """Return the count of both."""
        return Count(self.words + other.words, self.markers + other.markers)


def read_python(source: str) -> Iterator[Passage]:
    """Yield comments, docstrings, sentences in string literals and test names of a Python module."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Passage(token.start[0], token.string.lstrip("#"))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if len(_WORD.findall(node.value)) >= _MESSAGE_WORDS:
                yield Passage(node.lineno, node.value)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield Passage(node.lineno, node.name.replace("_", " "))


def read_document(source: str) -> Iterator[Passage]:
    """Yield the text of a Markdown document without its code."""
    prose = _FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), source)
    for number, line in enumerate(prose.splitlines(), 1):
        yield Passage(number, line)


def read_comments(source: str) -> Iterator[Passage]:
    """Yield the comments of a file whose comments begin with // or stand on lines that begin with #."""
    for match in _COMMENT.finditer(source):
        yield Passage(source.count("\n", 0, match.start()) + 1, match[1] or match[2] or "")


READERS = {
    ".py": read_python,
    ".md": read_document,
    ".proto": read_comments,
    ".yml": read_comments,
    ".yaml": read_comments,
    ".toml": read_comments,
}
"""Function that reads the prose of a file, by the suffix of its name."""


def count(path: str, source: str) -> Count:
    """Count the words and markers of one file.

    Args:
        path: Name of the file, relative to the repository.
        source: Content of the file.
    """
    words = 0
    markers: list[Marker] = []
    for passage in READERS[Path(path).suffix](source):
        text = _CODE.sub(" ", passage.text)
        words += len(_WORD.findall(text))
        for match in MARKERS.finditer(text):
            line = passage.line + text.count("\n", 0, match.start())
            markers.append(Marker(path, line, match[0]))
    return Count(words, tuple(markers))


def count_tree(root: Path) -> dict[str, Count]:
    """Count every tracked file of a checkout, by area: its first folder, or its first two below `services`."""
    areas: dict[str, Count] = {}
    listed = subprocess.run(["git", "ls-files"], cwd=root, check=True, capture_output=True, text=True)
    for path in listed.stdout.splitlines():
        if Path(path).suffix not in READERS or path.startswith(_LEFT_OUT) or not (root / path).is_file():
            continue
        area = _AREA.findall(path)[0]
        areas[area] = areas.get(area, Count(0, ())) + count(path, (root / path).read_text("utf-8"))
    return areas


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the count of each area; return 1 if one is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--list", metavar="PREFIX", nargs="?", const="", help="print each marker below this path")
    options = parser.parse_args(arguments)
    areas = count_tree(Path(__file__).resolve().parents[1])
    if options.list is not None:
        for area in areas.values():
            for marker in area.markers:
                if marker.path.startswith(options.list):
                    print(f"{marker.path}:{marker.line}: {marker.word}")
        return 0
    failed = False
    for name, area in [*sorted(areas.items()), ("all", sum(areas.values(), Count(0, ())))]:
        high = area.per_1000_words > LIMIT_PER_1000_WORDS
        failed = failed or high
        verdict = " too many" if high else ""
        print(f"{name:20} {len(area.markers):5} in {area.words:7} words {area.per_1000_words:6.2f} per 1,000{verdict}")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
