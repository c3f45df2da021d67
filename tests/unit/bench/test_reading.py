"""Reading what the system and the load generator tell."""

from __future__ import annotations

import json
import os
import re

import pytest

from bench import system_stats as machine
from bench.idle import find_program
from bench.load import Percentiles, parse
from bench.scenarios import FULL, SCENARIOS, Scenario, Schedule, direct, whole_suite

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


def test_the_line_of_the_load_generator_becomes_figures() -> None:
    result = parse(json.dumps(_LINE))
    assert result.first_byte_ms == Percentiles(1.0, 2.0, 3.0, 4.0)
    assert result.lateness_ms is None
    assert result.audio_bytes == 8192


def test_cpu_time_is_found_behind_any_command_name() -> None:
    fields = "S 1 2 3 0 -1 0 0 0 0 0 11 22 33 44 20 0 1"
    assert machine.cpu_ticks(f"4711 (odd) name (x) {fields}") == 110


def test_memory_is_the_proportional_share() -> None:
    assert machine.parse_pss_bytes(
        "55d0-7ffc ---p 00000000 00:00 0 [rollup]\nRss: 9000 kB\nPss: 1234 kB\nPss_Dirty: 7 kB\n"
    ) == (1234 * 1024)
    assert machine.parse_pss_bytes("") == 0


def test_idle_and_waiting_cores_are_not_busy() -> None:
    assert machine.busy_ticks("cpu  10 20 30 4000 500 1 2 3 40 50\ncpu0 1 2 3 4\n") == 66


def test_a_process_comes_with_its_descendants() -> None:
    assert os.getpid() in set(machine.descendants(os.getpid()))
    assert machine.cpu_seconds(os.getpid()) > 0
    assert machine.own_pss_bytes(os.getpid()) > 0


def test_a_process_that_has_ended_has_no_memory() -> None:
    beyond_any_pid = 2**30
    assert machine.cpu_seconds(beyond_any_pid) == 0
    assert machine.read_command(beyond_any_pid) == []


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["/venv/bin/python", "-m", "services.tts"], "services.tts"),
        (["/venv/bin/python", "-I", "-S", "/suite/deploy/local/watchdog.py", "4"], "watchdog"),
        (["/opt/envoy", "--config-path", "x"], "envoy"),
        (["/venv/bin/python -m services.video"], "services.video"),
    ],
)
def test_a_program_is_called_by_its_module_or_its_file(command: list[str], name: str) -> None:
    assert find_program(command) == name


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_voice_is_one_that_the_suite_passes_on_as_an_id(scenario: Scenario) -> None:
    assert _VOICE_ID.fullmatch(scenario.answer.voice)


def test_a_schedule_knows_its_length_and_how_long_it_plays() -> None:
    schedule = Schedule(chunks=60, chunk_bytes=4096, first_ms=75, gap_ms=20)
    assert schedule.voice == "s-0060-04096-0075-020"
    assert schedule.audio_bytes == 245760
    assert schedule.duration_ms == 1255
    assert schedule.chunk_plays_ms == pytest.approx(256)


def test_the_provider_is_asked_by_its_own_path_and_without_a_token() -> None:
    scenario = next(item for item in SCENARIOS if item.name == "unary")
    assert direct("http://127.0.0.1:1").url(scenario).endswith("/v1/text-to-speech/u-000049152-00000/stream")
    assert not direct("http://127.0.0.1:1").headers


def test_a_token_is_not_in_the_repr() -> None:
    target = whole_suite(FULL, "http://127.0.0.1:1", "secret")
    assert target.headers == {"authorization": "Bearer secret"}
    assert "secret" not in repr(target)
