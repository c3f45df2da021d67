"""Runs the load generator and reads its result."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any

from bench.scenarios import Scenario, Schedule, Target
from bench.suite import BenchError

# The load generator exits ten seconds after its time at the latest.
_SLACK_SECONDS = 15.0
# No run uses as many texts, so two runs never share a text.
_TEXTS_OF_A_RUN = count(start=0, step=1_000_000)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Distribution of a measured value."""

    p50: float
    p90: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Result of a run of the load generator, from the view of its users."""

    ok: int
    """Responses that were complete, in time, and equal to what the provider sent."""
    errors: int
    """Other responses."""
    last_error: str
    """Cause of the last error."""
    seconds: float
    requests_per_second: float
    audio_bytes: int
    cpu_seconds: float
    """CPU time of the load generator itself."""
    chunks: int
    late_chunks: int
    """Chunks that arrived more than 50 ms after the provider's schedule."""
    starved_chunks: int
    """Chunks that arrived too late for playback without a pause."""
    first_byte_ms: Percentiles | None
    """Time from the request to the first byte of audio; None without a good response."""
    total_ms: Percentiles | None
    lateness_ms: Percentiles | None
    """Delay of chunks against the provider's schedule; None if they have no schedule."""


def run_load(program: Path, target: Target, scenario: Scenario, seconds: float) -> LoadResult:
    """Send the requests of `scenario` to `target`, and return the result.

    Args:
        program: The compiled load generator.
        target: Receives the requests.
        scenario: Defines the requests.
        seconds: Time in which new requests start; those that are running then are completed.

    Raises:
        BenchError: The load generator failed.
    """
    command = [str(program), *_build_arguments(target, scenario, seconds)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=seconds + _SLACK_SECONDS, check=False)
    if result.returncode:
        raise BenchError(f"The load generator failed: {result.stderr.strip()}")
    return parse_load_result(result.stdout)


def parse_load_result(text: str) -> LoadResult:
    """Parse the line that the load generator printed."""
    members: Mapping[str, Any] = json.loads(text)
    values = {item.name: members[item.name] for item in fields(LoadResult)}
    for name in ("first_byte_ms", "total_ms", "lateness_ms"):
        values[name] = Percentiles(**values[name]) if values[name] else None
    return LoadResult(**values)


def _build_arguments(target: Target, scenario: Scenario, seconds: float) -> list[str]:
    options: dict[str, object] = {
        "users": scenario.users,
        "seconds": seconds,
        "ramp-ms": scenario.ramp_ms,
        "body": scenario.body,
        "body-bytes": scenario.response.audio_bytes,
        "texts": scenario.texts,
        "first-text": 0 if scenario.texts else next(_TEXTS_OF_A_RUN),
        "together": int(scenario.together),
    }
    if scenario.is_paced and isinstance(scenario.response, Schedule):
        options |= {
            "chunk-bytes": scenario.response.chunk_bytes,
            "first-ms": scenario.response.first_ms,
            "gap-ms": scenario.response.gap_ms,
            "play-ms": scenario.response.chunk_plays_ms,
        }
    named = [f"--{name}={value}" for name, value in options.items()]
    headers = [f"--header={name}: {value}" for name, value in target.headers.items()]
    return [*named, *headers, target.build_url(scenario)]
