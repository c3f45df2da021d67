"""Ports of the local suite, and the process that uses a port that is not free.

MEDIA_PORT alone moves the whole suite: it chooses a block of ports, from which each port whose own variable is not set
takes its place. So one variable is enough for a second suite on the same machine, and addresses are the same at each
start. The blocks are outside the range from which the system takes the ports of outgoing connections, so that none of
those holds a port of the suite. A port that is taken is an error that names the variable to change.
"""

from __future__ import annotations

import errno
import itertools
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, create_model

from services.common.settings import ConfigurationError, Settings, load

if TYPE_CHECKING:
    import psutil

LOOPBACK = "127.0.0.1"
_LOWEST_UNPRIVILEGED, _HIGHEST = 1024, 65535
_LOWEST = 10_000
"""Lowest port for the suite; most well-known ports are below it."""
_EPHEMERAL = (32_768, 60_999)
"""Ports of outgoing connections on Linux, unless it is configured otherwise; other systems begin higher."""
INNER_RANGE = range(_LOWEST, _EPHEMERAL[0])
"""Range of the ports that no variable sets, where the ephemeral ports are the usual ones."""
_BLOCK = 20
"""Ports in a block: more than the suite has, because MEDIA_PORT or a variable may name one of them."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a process."""

    variable: str
    """Environment variable that sets it."""
    purpose: str
    """Protocol and use, in a few words."""


EDGE_DEFAULT = 8080
EDGE = Port("MEDIA_PORT", "HTTP, gRPC and gRPC-Web; the only public port")

PortNumbers = Mapping[str, int]
"""Number of each port by its variable."""


def choose_ports(ports: Sequence[Port]) -> PortNumbers:
    """Return the number of each of `ports` according to the environment.

    Raises:
        ConfigurationError: The value of a variable is not a port, or two variables have the same port.
    """
    explicit = load(_build_settings(ports)).model_dump()
    numbers = assign_ports(ports, explicit, find_inner_range())
    _require_distinct(numbers)
    return numbers


def assign_ports(ports: Sequence[Port], explicit: Mapping[str, int | None], inner: range) -> PortNumbers:
    """Return the number of each port: its own, or its place in the block of MEDIA_PORT.

    Args:
        ports: The ports; a port keeps its place when another one gets a number of its own.
        explicit: Numbers that variables set.
        inner: Range of the blocks.
    """
    edge = explicit.get(EDGE.variable) or EDGE_DEFAULT
    places = [port.variable for port in ports if port is not EDGE]
    size = max(_BLOCK, len(places) + 1)
    start = edge % (len(inner) // size) * size
    block = inner[start : start + size]
    taken = {edge, *(number for number in explicit.values() if number)}
    spare = (
        number
        for index, number in enumerate(block)
        if number not in taken and (index >= len(places) or explicit.get(places[index]))
    )
    numbers = {EDGE.variable: edge}
    for name, number in zip(places, block, strict=False):
        numbers[name] = explicit.get(name) or (next(spare) if number in taken else number)
    return {port.variable: numbers[port.variable] for port in ports}


def find_inner_range() -> range:
    """Return the ports from which the suite takes those that no variable sets.

    It is the range below the ephemeral ports, or the one above them if that has no room. On a system whose ephemeral
    ports leave room nowhere, it is the ports below 32768, as on other systems.
    """
    low, high = read_ephemeral_range()
    candidates = (
        range(_LOWEST, min(low, _EPHEMERAL[0])),
        range(max(high + 1, _LOWEST), _HIGHEST + 1),
        range(_LOWEST_UNPRIVILEGED, min(low, _EPHEMERAL[0])),
    )
    return next((found for found in candidates if len(found) >= _BLOCK), INNER_RANGE)


def read_ephemeral_range() -> tuple[int, int]:
    """Return the first and the last port that the system may give to an outgoing connection."""
    with suppress(OSError, ValueError):
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        return int(low), int(high)
    return _EPHEMERAL


def choose_free_ports(ports: Sequence[Port]) -> PortNumbers:
    """Return a free port for each of `ports`; ignore the environment."""
    return dict(zip((port.variable for port in ports), find_free_ports(len(ports)), strict=True))


def find_free_ports(count: int) -> list[int]:
    """Return ports without a listener; a process never returns the same port twice.

    They are outside the ephemeral range of the system, so that an outgoing connection cannot take one of them before
    the suite listens.

    Raises:
        ConfigurationError: Fewer ports are free.
    """
    found: list[int] = []
    for port in itertools.islice(_CANDIDATES, _HIGHEST):
        if len(found) == count:
            break
        with suppress(OSError):
            socket.create_server((LOOPBACK, port)).close()
            found.append(port)
    if len(found) < count:
        raise ConfigurationError(f"{count} ports are needed, but only {len(found)} are free; stop other programs.")
    return found


def _generate_candidates() -> Iterator[int]:
    """Yield ports in ascending order from a random start, so that two processes rarely try the same ports."""
    span = find_inner_range()
    start = secrets.randbelow(len(span))
    for number in itertools.count(start):
        yield span[number % len(span)]


_CANDIDATES = _generate_candidates()


def require_free_ports(ports: PortNumbers) -> None:
    """Raise an error if any of the ports has a listener.

    Raises:
        ConfigurationError: Ports are taken; the message names each with its process and its variable.
    """
    problems = [problem for variable, port in ports.items() if (problem := describe_taken_port(variable, port))]
    if problems:
        remedy = (
            "Stop the process that uses it, or set the variable to a free port; MEDIA_PORT alone moves the whole suite."
        )
        raise ConfigurationError("\n".join([*problems, remedy]))


def describe_taken_port(variable: str, port: int) -> str:
    """Return why the suite cannot listen on a port, with the process that does; empty if it can."""
    try:
        # It sets SO_REUSEADDR, so that connections of an earlier run in TIME_WAIT do not count.
        socket.create_server((LOOPBACK, port)).close()
    except PermissionError:
        return f"{variable}: port {port} needs a privilege that this user does not have; set a port above 1023."
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        owner = list_port_owners().get(port)
        return f"{variable}: port {port} is taken" + (f" by {owner}." if owner else ".")
    return ""


@dataclass(frozen=True, slots=True)
class PortOwner:
    """A process that listens on a port."""

    process_id: int
    program: str
    """Module of a Python process, otherwise the file name of the program."""
    ancestors: frozenset[int]
    """Ids of the process itself and of the processes above it."""

    def __str__(self) -> str:
        return f"{self.program}, process {self.process_id}"


def list_port_owners() -> dict[int, PortOwner]:
    """Return the process that listens on each port, where the system shows it to this user."""
    import psutil  # noqa: PLC0415 - the supervisor needs it only to explain an error

    owners: dict[int, PortOwner] = {}
    # Where a process has ended, or the system does not show its connections to this user, ports have no owner.
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            # The system does not name a process of another user.
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.pid is not None:
                with suppress(psutil.Error, OSError):
                    owners[connection.laddr.port] = _describe_process(psutil.Process(connection.pid))
    return owners


def _describe_process(process: psutil.Process) -> PortOwner:
    ancestors = frozenset({process.pid, *(parent.pid for parent in process.parents())})
    return PortOwner(process.pid, _find_program(process), ancestors)


def _find_program(process: psutil.Process) -> str:
    """Return the name of a process: the module if it is Python, else the file name."""
    command = [word for word in process.cmdline() if word]
    if len(command) == 1 and not Path(command[0]).exists():
        # A forked process sets its command line as one string.
        command = command[0].split()
    if "-m" in command[:-1]:
        return command[command.index("-m") + 1]
    return Path(command[0]).name if command else process.name()


def _build_settings(ports: Sequence[Port]) -> type[Settings]:
    """Return a settings class with one field for each port, so that a port is declared in one place only."""
    fields = {
        port.variable: (
            int | None,
            Field(None, ge=1, le=_HIGHEST, validation_alias=port.variable, description=f"{port.purpose}."),
        )
        for port in ports
    }
    # The type stubs of create_model do not accept fields from a dictionary.
    return create_model("PortSettings", __base__=Settings, **fields)  # type: ignore[call-overload, no-any-return]  # see above


def _require_distinct(ports: PortNumbers) -> None:
    owners: dict[int, str] = {}
    for variable, port in ports.items():
        if port in owners:
            raise ConfigurationError(f"{owners[port]} and {variable} are both {port}; set one of them to another port.")
        owners[port] = variable
