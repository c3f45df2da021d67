"""Tests of the ports of the suite, and of the error for a port that is taken."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import cast

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local import ports
from deploy.local.ports import (
    EDGE,
    INNER_RANGE,
    Port,
    assign_ports,
    choose_free_ports,
    choose_ports,
    find_free_ports,
    require_free_ports,
)
from deploy.local.processes import SUITE, list_ports
from services.common.settings import ConfigurationError

ALL = list_ports(SUITE)


@pytest.fixture(autouse=True)
def unset_ports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for port in ALL:
        monkeypatch.delenv(port.variable, raising=False)


INNER = [port.variable for port in ALL if port is not EDGE]
EDGES = st.integers(1, 65535)
EPHEMERAL_RANGES = [
    (32_768, 60_999),  # Linux
    (49_152, 65_535),  # macOS, and the range of the standard
    (10_000, 65_535),  # hosts with many connections
    (1_024, 60_999),
    (15_000, 40_000),
]


def test_without_variables_the_suite_is_on_8080_and_in_its_block() -> None:
    numbers = choose_ports(ALL)
    assert numbers == choose_ports(ALL)
    assert numbers[EDGE.variable] == 8080
    assert max(numbers[name] for name in INNER) - min(numbers[name] for name in INNER) == len(INNER) - 1


@given(EDGES, st.sampled_from(EPHEMERAL_RANGES))
def test_for_every_media_port_the_inner_ports_are_distinct_unprivileged_and_not_ephemeral(
    edge: int, ephemeral: tuple[int, int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ports, "read_ephemeral_range", lambda: ephemeral)
        numbers = assign_ports(ALL, {EDGE.variable: edge}, ports.find_inner_range())
    assert numbers[EDGE.variable] == edge
    assert len(set(numbers.values())) == len(ALL)
    assert all(1024 <= numbers[name] <= 65535 for name in INNER)
    assert not [name for name in INNER if ephemeral[0] <= numbers[name] <= ephemeral[1]]


@given(EDGES)
def test_where_every_port_is_ephemeral_the_inner_ports_are_still_usable(edge: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ports, "read_ephemeral_range", lambda: (1024, 65535))
        numbers = assign_ports(ALL, {EDGE.variable: edge}, ports.find_inner_range())
    assert len(set(numbers.values())) == len(ALL)
    assert all(10_000 <= numbers[name] < 32_768 for name in INNER)


@given(EDGES, st.dictionaries(st.sampled_from(INNER), st.integers(1, 65535)), st.booleans())
def test_a_port_with_its_own_variable_moves_no_other_port_unless_they_collide(
    edge: int, own: dict[str, int], is_crowded: bool
) -> None:
    before = assign_ports(ALL, {EDGE.variable: edge}, INNER_RANGE)
    if is_crowded:
        own = dict(zip(own, before.values(), strict=False))
    numbers = assign_ports(ALL, {EDGE.variable: edge, **own}, INNER_RANGE)
    assert numbers.items() >= own.items()
    rest = [numbers[name] for name in INNER if name not in own]
    assert len(set(rest)) == len(rest)
    assert not set(rest) & {edge, *own.values()}
    for name in set(INNER) - own.keys():
        assert numbers[name] == before[name] or before[name] in own.values()


@given(EDGES, EDGES)
def test_suites_side_by_side_share_no_inner_port(one: int, other: int) -> None:
    blocks = [{assign_ports(ALL, {EDGE.variable: edge}, INNER_RANGE)[name] for name in INNER} for edge in (one, other)]
    assert not blocks[0] & blocks[1] or (one - other) % (len(INNER_RANGE) // 20) == 0


def test_a_port_with_its_own_variable_is_that_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIA_PORT", "8090")
    monkeypatch.setenv("TTS_PORT", "7000")
    assert choose_ports(ALL)["TTS_PORT"] == 7000


def test_the_error_names_two_variables_with_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "8080")
    with pytest.raises(ConfigurationError, match="GATEWAY_PORT and MEDIA_PORT are both 8080"):
        choose_ports(ALL)


@pytest.mark.parametrize("value", ["0", "65536", "http", "-1", "80.5"])
def test_the_error_for_an_invalid_port_names_its_variable(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTS_PORT", value)
    with pytest.raises(ConfigurationError, match="TTS_PORT: "):
        choose_ports(ALL)


def test_free_ports_are_distinct_and_free() -> None:
    numbers = choose_free_ports(ALL)
    assert len(set(numbers.values())) == len(ALL)
    require_free_ports(numbers)


def test_a_free_port_is_never_returned_twice() -> None:
    found = find_free_ports(500)
    assert len({*found, *find_free_ports(500)}) == 1000


def test_a_free_port_is_outside_the_ephemeral_range() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        ephemeral = [server.getsockname()[1], client.getsockname()[1]]
    found = find_free_ports(1000)
    assert max(found) < min(ephemeral) or min(found) > max(ephemeral)


def test_a_port_that_is_taken_is_skipped() -> None:
    (port,) = find_free_ports(1)
    with socket.create_server(("127.0.0.1", port + 1)):
        assert port + 1 not in find_free_ports(3)


def test_the_error_names_every_taken_port_with_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("0.0.0.0", 0)) as two:
        taken = {"ONE_PORT": one.getsockname()[1], "TWO_PORT": two.getsockname()[1]}
        with pytest.raises(ConfigurationError) as failure:
            require_free_ports(taken)
    for variable, port in taken.items():
        assert f"{variable}: port {port} is taken" in str(failure.value)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_owner_of_a_port_is_named_where_the_system_shows_it(family: socket.AddressFamily) -> None:
    address = "127.0.0.1" if family is socket.AF_INET else "::1"
    with socket.create_server((address, 0), family=family) as server:
        owner = ports.list_port_owners().get(server.getsockname()[1])
    if sys.platform != "linux":
        assert owner is None
    else:
        assert owner is not None
        assert owner.process_id == os.getpid()
        assert {os.getpid(), os.getppid()} <= owner.ancestors


def test_a_free_port_has_no_owner() -> None:
    assert choose_free_ports([Port("ANY_PORT", "")])["ANY_PORT"] not in ports.list_port_owners()


@pytest.mark.parametrize(
    ("command", "program"),
    [
        (["/my folder (1)/bin/envoy", "-c", "x"], "envoy"),
        (["/my folder/bin/python", "-m", "services.tts"], "services.tts"),
        (["python -m services.jobs.worker"], "services.jobs.worker"),
        (["python -m gateway", "", ""], "gateway"),
        ([sys.executable], Path(sys.executable).name),
        ([], "named"),
    ],
)
def test_a_program_is_named_by_its_module_or_its_file(command: list[str], program: str) -> None:
    class Process:
        def cmdline(self) -> list[str]:
            return command

        def name(self) -> str:
            return "named"

    assert ports._find_program(cast(psutil.Process, Process())) == program
