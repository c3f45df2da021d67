"""Tests of the ports of the suite, and of the error for a port that is taken."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local import ports
from deploy.local.ports import EDGE, Port, choose_free_ports, choose_ports, find_free_ports, require_free_ports
from deploy.local.processes import SUITE, list_ports
from services.common.settings import ConfigurationError

ALL = list_ports(SUITE)


@pytest.fixture(autouse=True)
def unset_ports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for port in ALL:
        monkeypatch.delenv(port.variable, raising=False)


def test_without_variables_every_port_has_its_default() -> None:
    assert choose_ports(ALL) == {port.variable: port.default for port in ALL}


def test_media_port_moves_all_ports_by_the_same_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIA_PORT", "8090")
    assert choose_ports(ALL) == {port.variable: port.default + 10 for port in ALL}


def test_a_port_with_its_own_variable_does_not_move(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIA_PORT", "8090")
    monkeypatch.setenv("TTS_PORT", "7000")
    assert choose_ports(ALL)["TTS_PORT"] == 7000


@given(st.integers(1, 65535))
def test_for_every_media_port_the_other_ports_are_distinct_and_need_no_privilege(edge: int) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MEDIA_PORT", str(edge))
        inner = [port for port in ALL if port is not EDGE]
        moved = [ports._shift(port.default, edge - EDGE.default) for port in inner]
    assert len(set(moved)) == len(inner)
    assert all(1024 <= port <= 65535 for port in moved)


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
        owner = ports.find_port_owner(server.getsockname()[1])
    expected = f"(process {os.getpid()})" if sys.platform == "linux" else ""
    assert owner.endswith(expected)


def test_a_free_port_has_no_owner() -> None:
    assert ports.find_port_owner(choose_free_ports([Port("ANY_PORT", 1, "")])["ANY_PORT"]) == ""
