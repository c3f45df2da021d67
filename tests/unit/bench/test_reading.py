"""Parsing of the figures of the system and of the load generator, and the scenarios."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from bench import system_stats
from bench.idle import find_program
from bench.load import Percentiles, parse_load_result
from bench.scenarios import FULL, SCENARIOS, Scenario, Schedule, build_direct_target, build_suite_target

_VOICE_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")

_LINE = {
    "ok": 2,
    "errors": 0,
    "last_error": "",
    "seconds": 1.0,
    "requests_per_second": 2.0,
    "audio_bytes": 8192,
    "cpu_seconds": 0.01,
    "chunks": 0,
    "late_chunks": 0,
    "starved_chunks": 0,
    "first_byte_ms": {"p50": 1.0, "p90": 2.0, "p99": 3.0, "max": 4.0},
    "total_ms": {"p50": 1.0, "p90": 2.0, "p99": 3.0, "max": 4.0},
    "lateness_ms": None,
}


def test_the_line_of_the_load_generator_is_parsed() -> None:
    result = parse_load_result(json.dumps(_LINE))
    assert result.first_byte_ms == Percentiles(1.0, 2.0, 3.0, 4.0)
    assert result.lateness_ms is None
    assert result.audio_bytes == 8192


def test_the_memory_of_a_process_is_its_proportional_share() -> None:
    process = psutil.Process()
    rollup = Path("/proc/self/smaps_rollup").read_text()
    (kilobytes,) = re.findall(r"^Pss: +(\d+) kB$", rollup, flags=re.MULTILINE)
    assert system_stats.read_pss_bytes(process) == pytest.approx(int(kilobytes) * 1024, rel=0.1)


def test_idle_and_waiting_cores_are_not_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"user": 10, "nice": 20, "system": 30, "idle": 4000, "iowait": 500, "irq": 1, "softirq": 2, "steal": 3}
    monkeypatch.setattr(psutil, "cpu_times", lambda: SimpleNamespace(**times, guest=40, guest_nice=50))
    assert system_stats.read_busy_seconds() == 66


def test_a_process_is_listed_with_its_descendants() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert {process.pid for process in system_stats.list_descendants(os.getpid())} >= {os.getpid(), child.pid}


def test_the_cpu_time_of_a_process_includes_that_of_ended_children() -> None:
    subprocess.run([sys.executable, "-c", "sum(range(5_000_000))"], check=True)
    times = os.times()
    assert times.children_user > 0
    with_children = times.user + times.system + times.children_user + times.children_system
    # The times only grow, so a later reading is not smaller; both count in whole ticks.
    assert system_stats.read_cpu_seconds(os.getpid()) >= with_children - 1e-6


def test_a_process_that_has_ended_has_no_memory() -> None:
    beyond_any_pid = 2**30
    assert system_stats.read_cpu_seconds(beyond_any_pid) == 0
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        process = psutil.Process(child.pid)
    assert system_stats.read_pss_bytes(process) == 0
    assert system_stats.read_command(process) == []


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["/venv/bin/python", "-m", "services.tts"], "services.tts"),
        (["/venv/bin/python", "-I", "-S", "/suite/deploy/local/watchdog.py", "4"], "watchdog"),
        (["/opt/envoy", "--config-path", "x"], "envoy"),
        (["/venv/bin/python -m services.video"], "services.video"),
    ],
)
def test_a_program_is_named_after_its_module_or_its_file(command: list[str], name: str) -> None:
    assert find_program(command) == name


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_suite_passes_every_voice_on_as_an_id(scenario: Scenario) -> None:
    assert _VOICE_ID.fullmatch(scenario.response.voice)


def test_a_schedule_has_a_length_and_a_duration() -> None:
    schedule = Schedule(chunks=60, chunk_bytes=4096, first_ms=75, gap_ms=20)
    assert schedule.voice == "s-0060-04096-0075-020"
    assert schedule.audio_bytes == 245760
    assert schedule.duration_ms == 1255
    assert schedule.chunk_plays_ms == pytest.approx(256)


def test_the_provider_is_called_at_its_own_path_and_without_a_token() -> None:
    scenario = next(item for item in SCENARIOS if item.name == "unary")
    assert (
        build_direct_target("http://127.0.0.1:1")
        .build_url(scenario)
        .endswith("/v1/text-to-speech/u-000049152-00000/stream")
    )
    assert not build_direct_target("http://127.0.0.1:1").headers


def test_a_token_is_not_in_the_repr() -> None:
    target = build_suite_target(FULL, "http://127.0.0.1:1", "secret")
    assert target.headers == {"authorization": "Bearer secret"}
    assert "secret" not in repr(target)
