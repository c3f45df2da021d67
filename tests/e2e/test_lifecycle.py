"""How the suite starts and stops as a user sees it."""

from __future__ import annotations

from tests.e2e.conftest import Suite


def test_the_welcome_says_what_runs_where_and_what_to_try(suite: Suite) -> None:
    for part in ("envoy", "gateway", "tts", f"http://localhost:{suite.port}", "curl", "grpcurl", "/docs", "espeak"):
        assert part in suite.welcome
