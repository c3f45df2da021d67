"""A suite of one process, which stands for them all: it answers what the demo asks, on MEDIA_PORT."""

from __future__ import annotations

import os

from aiohttp import web

from deploy.local.ports import EDGE
from deploy.local.processes import Row
from tests.fakes.video_edge import VideoEdge

ROW = Row(
    name="edge",
    purpose="stands for all",
    command=("python", "-m", "tests.fakes.tiny_edge"),
    ports=(EDGE,),
    ready="http://127.0.0.1:{MEDIA_PORT}/health",
)


def main() -> None:
    """Serve until asked to stop."""
    web.run_app(VideoEdge().app(), host="127.0.0.1", port=int(os.environ["MEDIA_PORT"]), print=None)


if __name__ == "__main__":
    main()
