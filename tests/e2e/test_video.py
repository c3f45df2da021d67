"""Tests of a talking video through the edge: from a sentence and an image to a file that ffprobe and browsers play."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import orjson
import pytest
from media.video.v1 import video_pb2, video_pb2_grpc

from services.common.rpc.channel import open_stream
from tests.e2e.browser import CHROMIUM, PageFile, run_page
from tests.e2e.conftest import Suite
from tests.fakes.media import FFPROBE, run_ffprobe

SERVICE = "media.video.v1.VideoService"
GRPCURL = shutil.which("grpcurl")
TEXT = "Hello! I am a cat, and I live at the sea. Every morning I watch the boats, and tell them all about it."
PAGE = """<video muted src="/video.mp4"></video><script>
const video = document.querySelector("video");
video.onerror = () => report({error: video.error.message});
video.ontimeupdate = () => {
  if (video.currentTime < 0.2) return;
  video.pause();
  const frames = video.getVideoPlaybackQuality().totalVideoFrames;
  report({seconds: video.duration, width: video.videoWidth, height: video.videoHeight, frames});
};
video.play();
</script>"""


async def read_last_line(http: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with http.post(path, json=body) as response:
        lines = [orjson.loads(line) async for line in response.content]
        assert response.status == 200, lines
    found: dict[str, Any] = lines[-1]
    return found


@pytest.fixture
async def talking(http: aiohttp.ClientSession) -> dict[str, Any]:
    """Generate a video with speech."""
    body: dict[str, Any] = {"prompt": "A cat at the sea", "imageSize": "landscape_16_9"}
    async with http.post("/api/image/generate", json=body) as response:
        image = await response.json()
    body = {"prompt": "zoom in", "imageKey": image["key"], "seconds": 2, "resolution": "512p"}
    video = (await read_last_line(http, "/api/video/generate", body))["video"]["file"]
    async with http.post("/api/speech", json={"text": TEXT, "store": True}) as response:
        speech = response.headers["X-Media-Key"]
    body = {"video": {"key": video["key"]}, "audio": {"key": speech}}
    found: dict[str, Any] = (await read_last_line(http, "/api/video/mux", body))["video"]
    return found


async def test_a_talking_video_has_all_its_speech(talking: dict[str, Any], tmp_path: Path) -> None:
    assert talking["cutSpeechSeconds"] == 0
    assert talking["frozenSeconds"] > 1
    path = tmp_path / "video.mp4"
    async with aiohttp.ClientSession() as anonymous, anonymous.get(talking["file"]["url"]) as response:
        assert (response.status, response.content_type) == (200, "video/mp4")
        path.write_bytes(await response.read())
    if FFPROBE is not None:
        foreign = run_ffprobe(path)
        assert (foreign.stream("video")["codec_name"], foreign.stream("audio")["codec_name"]) == ("h264", "aac")
        assert foreign.seconds("video") == pytest.approx(talking["speechSeconds"] + 0.5, abs=1 / 24)


async def test_a_stub_generates_a_video_and_probes_it(suite: Suite, http: aiohttp.ClientSession) -> None:
    metadata = (("authorization", f"Bearer {suite.token()}"),)
    async with http.post("/api/image/generate", json={"prompt": "A harbour", "imageSize": "card"}) as response:
        key = (await response.json())["key"]
    async with grpc.aio.insecure_channel(suite.target) as channel:
        stub: video_pb2_grpc.VideoServiceAsyncStub = video_pb2_grpc.VideoServiceStub(channel)
        request = video_pb2.GenerateVideoRequest(prompt="pan left", image_key=key, seconds=1, resolution="512p")
        async with open_stream(stub.GenerateVideo(request, metadata=metadata, timeout=60)) as call:
            events = [event async for event in call]
        video = events[-1].video.file
        probe = video_pb2.ProbeMediaRequest(media=video_pb2.MediaSource(key=video.key))
        info = (await stub.ProbeMedia(probe, metadata=metadata, timeout=20)).info
    assert (video.width, video.height) == (512, 512)
    assert [(stream.kind, stream.codec) for stream in info.streams] == [("video", "h264")]


if CHROMIUM is not None:

    async def test_chromium_plays_the_video(talking: dict[str, Any], tmp_path: Path) -> None:
        async with aiohttp.ClientSession() as anonymous, anonymous.get(talking["file"]["url"]) as response:
            video = PageFile(await response.read(), "video/mp4")
        facts = await run_page(PAGE, tmp_path, {"/video.mp4": video})
        assert (facts["width"], facts["height"]) == (talking["file"]["width"], talking["file"]["height"])
        assert facts["seconds"] == pytest.approx(talking["file"]["durationSeconds"], abs=0.1)
        assert facts["frames"] > 0


if GRPCURL is not None:

    async def test_grpcurl_probes(suite: Suite, talking: dict[str, Any]) -> None:
        assert GRPCURL is not None
        request = orjson.dumps({"media": {"key": talking["file"]["key"]}}).decode()
        process = await asyncio.create_subprocess_exec(
            *(GRPCURL, "-plaintext", "-H", f"authorization: Bearer {suite.token()}"),
            *("-d", request, suite.target, f"{SERVICE}/ProbeMedia"),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0
        assert [stream["codec"] for stream in orjson.loads(output)["info"]["streams"]] == ["h264", "aac"]
