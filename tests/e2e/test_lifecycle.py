"""Test of the text that the suite prints when it is ready."""

from __future__ import annotations

from tests.e2e.conftest import Suite


def test_the_welcome_lists_the_processes_and_commands_to_try(suite: Suite) -> None:
    for part in ("envoy", "gateway", "tts", f"http://localhost:{suite.port}", "curl", "grpcurl", "/docs", "espeak"):
        assert part in suite.welcome
