"""The suites that are compared: they differ in their store of cached speech."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pymongo import MongoClient

from bench.scenarios import FULL, MONGODB, SQLITE, Scenario
from bench.suite import Provider, Suite, run_suite

MONGO_URI = "MEDIA_TEST_MONGO_URI"
"""Variable that names a MongoDB server to measure with; without it there is no such suite."""

_NO_MEMORY = {"TTS_CACHE_MEMORY_BYTES": "0"}


@contextmanager
def run_suites(folder: Path, provider: Provider, scenarios: Sequence[Scenario]) -> Iterator[Mapping[str, Suite]]:
    """Run the suites that `scenarios` need; yield them by name.

    Raises:
        BenchError: One does not start.
    """
    wanted = {name for scenario in scenarios for name in scenario.suites}
    with ExitStack() as stack:
        variables = {FULL: {"MONGODB_URI": ""}, SQLITE: {**_NO_MEMORY, "MONGODB_URI": ""}}
        if MONGODB in wanted and (uri := os.environ.get(MONGO_URI, "")):
            variables[MONGODB] = {**_NO_MEMORY, "MONGODB_URI": stack.enter_context(_scratch_database(uri))}
        suites: dict[str, Suite] = {}
        for name in variables.keys() & wanted:
            own = folder / name
            own.mkdir()
            suites[name] = stack.enter_context(run_suite(own, provider, variables[name]))
        yield {name: suites[name] for name in variables if name in suites}


@contextmanager
def _scratch_database(server_uri: str) -> Iterator[str]:
    """Yield the connection string of a temporary database."""
    name = f"bench_{secrets.token_hex(4)}"
    uri = urlsplit(server_uri)._replace(path=f"/{name}").geturl()
    try:
        yield uri
    finally:
        with MongoClient[dict[str, Any]](uri) as client:
            client.drop_database(name)
