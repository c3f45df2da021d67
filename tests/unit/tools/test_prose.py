"""Prose markers are counted in prose, and not in code."""

from __future__ import annotations

import pytest

from tools.prose import count


def find_words(path: str, source: str) -> list[tuple[int, str]]:
    """Return line and word of each marker, in order."""
    return sorted((marker.line, marker.word) for marker in count(path, source).markers)


def test_comments_docstrings_messages_and_test_names_are_prose() -> None:
    source = '''"""A module
that nobody reads."""


def test_a_caller_who_waits() -> None:
    # Whoever asks again.
    raise ValueError("the caller is told so")
'''
    assert find_words("tests/a.py", source) == [
        (2, "nobody"),
        (5, "who"),
        (6, "Whoever"),
        (7, "is told"),
    ]


@pytest.mark.parametrize(
    "source", ["who = 1\n", 'KEY = "who"\n', "def whose_turn() -> None: ...\n", "# see `who` below\n"]
)
def test_identifiers_values_and_code_in_backticks_are_no_prose(source: str) -> None:
    assert find_words("a.py", source) == []


def test_documents_count_without_their_code_blocks() -> None:
    assert find_words("a.md", "Two parts, of which one\n\n```\nwho\n```\n\nanew and can not\n") == [
        (1, "of which"),
        (7, "anew"),
        (7, "can not"),
    ]


def test_comments_of_contracts_and_configuration_count() -> None:
    assert find_words("a.proto", 'string name = 1; // Who calls.\n// He waits.\nstring path = 2;  // "https"\n') == [
        (1, "Who"),
        (2, "He"),
    ]
    assert find_words("a.yml", "# There is none, is none.\nname: who\n") == [(1, "is none"), (1, "is none")]


def test_the_share_is_per_thousand_words() -> None:
    found = count("a.md", "Nobody " + "reads " * 499)
    assert (found.words, found.per_1000_words) == (500, 2.0)
    assert (found + found).per_1000_words == 2.0
    assert count("a.md", "").per_1000_words == 0.0
