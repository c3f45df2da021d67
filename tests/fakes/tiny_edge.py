"""A suite of one process, which stands for them all: it answers what the demo asks, on MEDIA_PORT."""

from __future__ import annotations

import json
import os

from aiohttp import web

from deploy.local.ports import EDGE
from deploy.local.processes import Row

ROW = Row(
    name="edge",
    purpose="stands for all",
    command=("python", "-m", "tests.fakes.tiny_edge"),
    ports=(EDGE,),
    ready="http://127.0.0.1:{MEDIA_PORT}/health",
)
AUDIO = b"not really sound"
ALIGNMENT = {
    "characters": ["H", "i"],
    "character_start_times_seconds": [0.0, 0.5],
    "character_end_times_seconds": [0.5, 1.0],
}


async def health(_: web.Request) -> web.Response:
    """Is well."""
    return web.json_response({"ok": True})


async def stream(request: web.Request) -> web.Response:
    """Speaks to whoever brings a token."""
    if not request.headers.get("Authorization", "").startswith("Bearer "):
        raise web.HTTPUnauthorized
    return web.Response(body=AUDIO, headers={"X-Media-Provider": "espeak"})


async def timestamps(_: web.Request) -> web.Response:
    """Gives the timing in one line, and the end in another."""
    lines = ({"audioBase64": "", "alignment": ALIGNMENT}, {"done": {"durationSeconds": 1.0}})
    return web.Response(text="".join(json.dumps(line) + "\n" for line in lines))


def main() -> None:
    """Serves until asked to stop."""
    app = web.Application()
    app.router.add_get("/health", health)
    app.router.add_post("/api/speech/stream", stream)
    app.router.add_post("/api/speech/timestamps", timestamps)
    web.run_app(app, host="127.0.0.1", port=int(os.environ["MEDIA_PORT"]), print=None)


if __name__ == "__main__":
    main()
