"""Checks of the suite that runs on this machine: its folder, its processes, its ports, and whether they answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.ports import (
    EDGE,
    EDGE_DEFAULT,
    PortNumbers,
    PortOwner,
    choose_ports,
    describe_taken_port,
    list_port_owners,
    read_ephemeral_range,
)
from deploy.local.processes import SUITE, ProcessSpec, list_ports
from deploy.local.readiness import build_readiness_check
from deploy.local.state_dir import RunningSuite, read_holder, read_running_suite
from services.common.diagnostics import Diagnostic, ok, problem, warning

_RESTART = "stop the suite (Ctrl-C) and start it again; its output says why"


async def check_suite(folder: Path, specs: Sequence[ProcessSpec] = SUITE) -> list[Diagnostic]:
    """Return the diagnostics of the state folder, and of the suite that runs in it or would run in it.

    Args:
        folder: State folder.
        specs: Processes of the suite.

    Raises:
        ConfigurationError: The variables of the ports are invalid.
    """
    ports = choose_ports(list_ports(specs))
    state = check_folder(folder)
    holder = read_holder(folder)
    if holder is None:
        return [state, ok("suite", f"does not run in {folder}; `make run` starts it"), *_check_free_ports(ports)]
    running = read_running_suite(folder)
    if running is None:
        return [state, warning("suite", f"starts or stops just now: {holder}", "run `make doctor` again in a moment")]
    owners = list_port_owners()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_check_process(spec, running, owners)) for spec in specs]
    return [state, _check_address(running, ports), *(task.result() for task in tasks)]


def check_folder(folder: Path) -> Diagnostic:
    """Return whether the suite can store its state in `folder`."""
    subject = "state folder"
    if not folder.exists():
        return ok(subject, f"{folder} is created at the first start")
    if not folder.is_dir():
        return problem(subject, f"{folder} is no folder", "move it, or set MEDIA_RUN_DIR to a folder of your own")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return problem(subject, f"{folder} is not writable", "set MEDIA_RUN_DIR to a folder of your own")
    return ok(subject, f"{folder} is there and writable")


def _check_free_ports(ports: PortNumbers) -> list[Diagnostic]:
    found = [
        problem("ports", text, "stop that process, or set MEDIA_PORT, which moves the whole suite")
        for variable, port in ports.items()
        if (text := describe_taken_port(variable, port))
    ]
    low, high = read_ephemeral_range()
    if low <= ports[EDGE.variable] <= high:
        found.append(
            warning(
                "ports",
                f"MEDIA_PORT {ports[EDGE.variable]} may be taken by an outgoing connection of this machine",
                f"set it below {low}",
            )
        )
    return found or [ok("ports", f"are free: {ports[EDGE.variable]} and {len(ports) - 1} inner ones")]


def _check_address(running: RunningSuite, ports: PortNumbers) -> Diagnostic:
    edge = running.ports[EDGE.variable]
    # In a terminal that sets no port, nothing contradicts the suite.
    if ports[EDGE.variable] not in {edge, EDGE_DEFAULT}:
        return warning(
            "suite",
            f"runs at http://localhost:{edge}, but MEDIA_PORT is {ports[EDGE.variable]} here",
            f"use port {edge}, or restart the suite with the variables of this terminal",
        )
    return ok("suite", f"runs at http://localhost:{edge} (process {running.process_id})")


async def _check_process(spec: ProcessSpec, running: RunningSuite, owners: Mapping[int, PortOwner]) -> Diagnostic:
    """Return whether the process of `spec` listens on its port and answers there."""
    port = running.ports[spec.ports[0].variable]
    owner = owners.get(port)
    if await build_readiness_check(spec.ready.format_map(running.ports))():
        return ok(spec.name, f"answers on port {port}" + (f" ({owner})" if owner else ""))
    if owner is None:
        return problem(spec.name, f"has no process that listens on port {port}", _RESTART)
    if running.process_id not in owner.ancestors:
        return problem(spec.name, f"cannot listen: port {port} belongs to {owner}", "stop that process")
    return problem(spec.name, f"listens on port {port} and does not answer ({owner})", _RESTART)
