"""A supervisor of one process that a zygote makes: a test's own process has threads and can have no zygote."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from deploy.local.child import guarding, start
from deploy.local.processes import Process
from deploy.local.settings import ROOT
from deploy.local.zygote import Zygote, parse_command, start_zygote
from tests.fakes.children import Notebook
from tests.fakes.waiting import until

MODULE = "tests.fakes.zygote_child"
ENVIRONMENT = {"A_WORD": "given", "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


def main() -> None:
    """Do what the argument says and prints what came of it as JSON."""
    with start_zygote(["wave"]) as zygote:
        assert zygote is not None
        told = asyncio.run(_run(zygote, sys.argv[1]))
    sys.stdout.write(json.dumps({**told, "children": _children()}))


async def _run(zygote: Zygote, request: str) -> dict[str, object]:
    if request == "is not let go":
        return await _not_let_go(zygote)
    if request == "has lost its zygote":
        zygote.end()
    notebook, command = Notebook(), (sys.executable, "-m", MODULE, request)
    process = Process(name="child", argv=command, environment=ENVIRONMENT, ready=_never)
    async with guarding(1) as guard, asyncio.TaskGroup() as lives:
        life = await start(process, notebook, guard, lives, zygote)
        await until(lambda: bool(notebook.lines))
        if request == "waits":
            life.child.terminate()
        code = await life.end
    return {"code": code, "lines": [line for _, line in notebook.lines], "host": os.getpid()}


async def _not_let_go(zygote: Zygote) -> dict[str, object]:
    order = parse_command((sys.executable, "-m", MODULE, "waits"), ENVIRONMENT, Path.cwd())
    assert order is not None
    reading, writing = os.pipe()
    grown = await zygote.start(order, writing)
    os.close(writing)
    # What a supervisor that dies here does.
    os.close(grown.leash)
    code = await grown.wait()
    zygote.end()
    return {"code": code, "lines": os.read(reading, 1000).decode().splitlines()}


def _children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


async def _never() -> bool:
    return False


if __name__ == "__main__":
    main()
