"""Runs the load generator and reads its result."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.scenarios import Scenario, Schedule, Target

# The generator exits at most ten seconds after its time.
_SLACK_SECONDS = 15.0
# No run uses more texts than that, so two runs never share a text.
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
    """Result of a load, as the users saw it."""

    ok: int
    """Responses that were complete, in time and byte for byte what the provider sent."""
    errors: int
    """Other answers."""
    last_error: str
    """Cause of the last error."""
    seconds: float
    requests_per_second: float
    audio_bytes: int
    cpu_seconds: float
    """CPU time of the load generator itself."""
    chunks: int
    late_chunks: int
    """Chunks that came more than 50 ms after the provider's schedule."""
    starved_chunks: int
    """Chunks that came after a listener needed them."""
    first_byte_ms: Percentiles | None
    """From the request to the first byte of audio; None without a good answer."""
    total_ms: Percentiles | None
    lateness_ms: Percentiles | None
    """How far chunks were behind the provider's schedule; None where it has none."""


def run_load(program: Path, target: Target, scenario: Scenario, seconds: float) -> LoadResult:
    """Put `target` under the load of `scenario`.

    Args:
        program: The compiled load generator.
        target: Receives the requests.
        scenario: Defines the requests.
        seconds: Time in which new requests start; the last ones run to their end.

    Raises:
        BenchError: The load generator failed.
    """
    command = [str(program), *_arguments(target, scenario, seconds)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=seconds + _SLACK_SECONDS, check=False)
    if result.returncode:
        raise BenchError(f"The load generator failed: {result.stderr.strip()}")
    return parse(result.stdout)


def parse(text: str) -> LoadResult:
    """Parse the line that the load generator printed."""
    members: Mapping[str, Any] = json.loads(text)
    values = {item.name: members[item.name] for item in fields(LoadResult)}
    for name in ("first_byte_ms", "total_ms", "lateness_ms"):
        values[name] = Percentiles(**values[name]) if values[name] else None
    return LoadResult(**values)


def _arguments(target: Target, scenario: Scenario, seconds: float) -> list[str]:
    options: dict[str, object] = {
        "users": scenario.users,
        "seconds": seconds,
        "ramp-ms": scenario.ramp_ms,
        "body": scenario.body,
        "body-bytes": scenario.answer.audio_bytes,
        "texts": scenario.texts,
        "first-text": 0 if scenario.texts else next(_TEXTS_OF_A_RUN),
        "together": int(scenario.together),
    }
    if scenario.is_paced and isinstance(scenario.answer, Schedule):
        options |= {
            "chunk-bytes": scenario.answer.chunk_bytes,
            "first-ms": scenario.answer.first_ms,
            "gap-ms": scenario.answer.gap_ms,
            "play-ms": scenario.answer.chunk_plays_ms,
        }
    named = [f"--{name}={value}" for name, value in options.items()]
    headers = [f"--header={name}: {value}" for name, value in target.headers.items()]
    return [*named, *headers, target.url(scenario)]
