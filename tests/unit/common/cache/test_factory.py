"""The factory chooses the store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.common.cache import Collection, open_result_store
from services.common.cache.mongo import MongoStore
from services.common.cache.sqlite import SqliteStore
from services.common.settings import ConfigurationError
from tests.unit.common.cache.conftest import make_entry


async def test_without_a_connection_string_the_file_is_used(tmp_path: Path) -> None:
    async with open_result_store("", tmp_path / "state" / "media.sqlite", Collection()) as store:
        assert isinstance(store, SqliteStore)
        await store.put(make_entry())
        assert await store.get("a" * 64) == make_entry()


async def test_the_file_has_the_requested_bound(tmp_path: Path) -> None:
    async with open_result_store("", tmp_path / "media.sqlite", Collection(), sqlite_max_bytes=100) as store:
        await store.put(make_entry(data=b"x" * 101))
        assert await store.get("a" * 64) is None


async def test_with_a_connection_string_the_server_is_used(tmp_path: Path) -> None:
    async with open_result_store("mongodb://127.0.0.1:1/", tmp_path / "media.sqlite", Collection()) as store:
        assert isinstance(store, MongoStore)


async def test_an_invalid_connection_string_stops_the_process(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="MONGODB_URI"):
        async with open_result_store("mongodb://", tmp_path / "media.sqlite", Collection()):
            raise AssertionError("it was accepted")


def test_the_driver_is_imported_only_when_needed() -> None:
    script = "import sys, services.common.cache; sys.exit('motor' in sys.modules or 'pymongo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=30).returncode == 0
