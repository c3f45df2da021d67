"""The factory of the usage recorder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.common.settings import ConfigurationError
from services.common.usage import open_usage, utc_today
from tests.fakes.usage import usage_record


async def test_records_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "media.sqlite"
    async with open_usage("", path) as recorder:
        recorder.record(usage_record(at=datetime.now(UTC)))
    async with open_usage("", path) as recorder:
        (found,) = await recorder.store.sum_days("alice", utc_today() - timedelta(days=1), utc_today())
    assert found.totals.calls == 1


async def test_an_unwritable_path_does_not_stop_the_process(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    async with open_usage("", tmp_path / "data" / "media.sqlite") as recorder:
        recorder.record(usage_record())
        assert not await recorder.flush()
    assert recorder.stats.lost == 1


async def test_an_invalid_connection_string_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="MONGODB_URI"):
        async with open_usage("http://localhost", tmp_path / "unused"):
            pass
