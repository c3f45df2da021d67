"""Tests of the default engines that the start shows."""

from __future__ import annotations

import pytest

from deploy.local.suite import list_default_engines


def test_without_keys_all_default_engines_are_free() -> None:
    assert all("free" in line and "paid" not in line for line in list_default_engines().values())


@pytest.mark.parametrize(
    ("variable", "medium", "name"),
    [
        ("ELEVENLABS_API_KEY", "speech", "elevenlabs"),
        ("FAL_KEY", "images", "fal"),
        ("GEMINI_API_KEY", "images", "gemini"),
    ],
)
def test_with_a_key_the_default_engine_is_paid(
    monkeypatch: pytest.MonkeyPatch, variable: str, medium: str, name: str
) -> None:
    monkeypatch.setenv(variable, "a-key-of-a-provider")
    line = list_default_engines()[medium]
    assert line.startswith(f"{name} (paid")
    assert variable in line
    assert "a-key-of-a-provider" not in line
