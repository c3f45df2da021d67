"""Runs with given results, for the tests of the benchmark."""

from __future__ import annotations

from bench.load import LoadResult, Percentiles
from bench.rounds import Run


def build_load_result(*, ok: int = 100, first_ms: float = 20.0, chunks: int = 0, late_chunks: int = 0) -> LoadResult:
    first = Percentiles(first_ms, first_ms, 2 * first_ms, 3 * first_ms) if ok else None
    return LoadResult(
        ok=ok,
        errors=0 if ok else 3,
        last_error="" if ok else "cut",
        seconds=1.0,
        requests_per_second=float(ok),
        audio_bytes=0,
        cpu_seconds=0.0,
        chunks=chunks,
        late_chunks=late_chunks,
        starved_chunks=0,
        first_byte_ms=first,
        total_ms=first,
        lateness_ms=None,
    )


def build_run(target: str, load: LoadResult, *, scenario: str = "paced", foreign_cores: float = 0.0) -> Run:
    return Run(
        scenario=scenario,
        target=target,
        load=load,
        cpu_ms={"envoy": 1.0, "gateway": 2.0, "tts": 3.0, "provider": 50.0},
        calls=load.ok,
        foreign_cores=foreign_cores,
    )
