"""A suite of one process: serves the fake edge for the demo on MEDIA_PORT."""

from __future__ import annotations

import os

from aiohttp import web

from deploy.local.ports import EDGE
from deploy.local.processes import ProcessSpec
from tests.fakes.video_edge import VideoEdge

SPEC = ProcessSpec(
    name="edge",
    purpose="fake edge",
    command=("python", "-m", "tests.fakes.tiny_edge"),
    ports=(EDGE,),
    ready="http://127.0.0.1:{MEDIA_PORT}/health",
)


def main() -> None:
    """Serve until the process is stopped."""
    web.run_app(VideoEdge().app(), host="127.0.0.1", port=int(os.environ["MEDIA_PORT"]), print=None)


if __name__ == "__main__":
    main()
