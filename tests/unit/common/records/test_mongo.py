"""The MongoDB store without a server: what it asks the driver for, and how it fails."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime

import pytest

from services.common.errors import MediaError, Reason
from services.common.records import Record
from services.common.records.mongo import open_mongo_records
from services.common.settings import ConfigurationError

RECORD = Record("alice", "audio", "one", datetime(2026, 11, 5, tzinfo=UTC))


async def test_a_server_that_is_down_is_unavailable() -> None:
    # Only with Motor: PyMongo's own client leaks a socket if it is closed while it connects.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        await _check_all_calls(f"mongodb://127.0.0.1:{port}/media?serverSelectionTimeoutMS=50")


async def _check_all_calls(uri: str) -> None:
    async with open_mongo_records(uri) as store:
        calls = (
            store.create(RECORD),
            store.replace(RECORD),
            store.get(RECORD.key),
            store.delete(RECORD.key),
            store.list_page("alice", "audio", page_size=1),
        )
        errors = await asyncio.gather(*calls, return_exceptions=True)
    for error in errors:
        assert isinstance(error, MediaError)
        assert error.reason is Reason.UNAVAILABLE
        assert "127.0.0.1" not in error.message


async def test_an_invalid_uri_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationError, match="MONGODB_URI"):
        async with open_mongo_records("mongodb://"):
            pass
