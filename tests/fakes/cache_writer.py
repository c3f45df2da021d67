"""A process that writes to a SQLite result store: `python -m tests.fakes.cache_writer PATH KEY SIZE COUNT`.

Prints a line before each entry and one after; `{n}` in KEY is the number of the entry.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.common.cache.interface import Collection, Entry
from services.common.cache.sqlite import open_sqlite_store

COLLECTION = Collection()


async def main(path: Path, key: str, size_bytes: int, count: int) -> None:
    """Write `count` entries; the bytes of each one are its number."""
    now = datetime.now(UTC)
    async with open_sqlite_store(path, COLLECTION) as store:
        for number in range(count):
            own_key = key.format(n=number)
            sys.stdout.write(f"begin {own_key}\n")
            sys.stdout.flush()
            data = bytes([number % 256]) * size_bytes
            await store.put(Entry(own_key, {"number": number}, data, now, now + timedelta(days=1)))
            sys.stdout.write(f"end {own_key}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _, path, key, size, count = sys.argv
    asyncio.run(main(Path(path), key, int(size), int(count)))
