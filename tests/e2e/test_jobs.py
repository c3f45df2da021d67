"""Tests of jobs through the edge: each runs to its end and is watched meanwhile, over HTTP and gRPC."""

from __future__ import annotations

import asyncio
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import orjson
import pytest
from media.jobs.v1 import jobs_pb2, jobs_pb2_grpc
from PIL import Image

from services.common.rpc.channel import open_stream
from tests.e2e.conftest import Suite
from tests.e2e.jobs import SHORT, TEXT, build_talking_video, call, create_job, upload_image, wait_for_end, watch_job
from tests.fakes.media import FFPROBE, run_ffprobe

SERVICE = "media.jobs.v1.JobService"
GRPCURL = shutil.which("grpcurl")
CODECS = {"video": "h264", "audio": "aac", "subtitle": "mov_text"}


@pytest.fixture
async def image(http: aiohttp.ClientSession) -> dict[str, Any]:
    """Bring an image along."""
    return await upload_image(http)


async def read_codecs(http: aiohttp.ClientSession, key: str) -> dict[str, str]:
    """Return the codec of each stream, as the suite probes it."""
    found = await call(http, "POST", "/api/video/probe", json={"media": {"key": key}})
    return {stream["kind"]: stream["codec"] for stream in found["streams"]}


async def download(medium: dict[str, Any]) -> bytes:
    async with aiohttp.ClientSession() as anonymous, anonymous.get(medium["url"]) as response:
        assert (response.status, response.content_type) == (200, medium["contentType"])
        return await response.read()


async def test_a_job_generates_a_talking_video(
    http: aiohttp.ClientSession, image: dict[str, Any], tmp_path: Path
) -> None:
    job_id = (await create_job(http, build_talking_video(image)))["id"]
    job = await wait_for_end(http, job_id)
    result = job["result"]
    assert (job["status"], job["attempt"]) == ("succeeded", 1)
    assert {name: result[name]["provider"] for name in ("audio", "video")} == {"audio": "espeak", "video": "embedded"}
    spoken_seconds = 0.5 + result["audio"]["durationSeconds"]
    assert result["final"]["durationSeconds"] == pytest.approx(max(1.0, spoken_seconds), abs=1 / 24)
    files = {name: await download(result[name]) for name in ("audio", "video", "final")}
    assert min(map(len, files.values())) > 1000
    assert await read_codecs(http, result["final"]["key"]) == CODECS
    if FFPROBE is not None:
        path = tmp_path / "talking.mp4"
        path.write_bytes(files["final"])
        foreign = run_ffprobe(path)
        assert {kind: foreign.stream(kind)["codec_name"] for kind in CODECS} == CODECS
        assert foreign.seconds("video") == pytest.approx(result["final"]["durationSeconds"], abs=1 / 24)
        assert foreign.stream("video")["height"] == result["final"]["height"] == 512


async def test_the_events_of_a_job_have_rising_revisions_until_its_end(
    http: aiohttp.ClientSession, image: dict[str, Any]
) -> None:
    job_id = (await create_job(http, build_talking_video(image)))["id"]
    events = [event async for event in watch_job(http, job_id)]
    revisions = [event.job["revision"] for event in events]
    percents = [event.job["percent"] for event in events]
    assert [event.name for event in events] == ["job"] * (len(events) - 1) + ["end"]
    assert revisions == sorted(set(revisions))
    assert percents == sorted(percents)
    assert percents[-1] == 100
    stages = list(dict.fromkeys(event.job["stage"] for event in events if event.job["stage"]))
    assert stages == [stage for stage in ("audio", "video", "mux") if stage in stages]
    assert "video" in stages
    later = [event.job["revision"] async for event in watch_job(http, job_id, after=revisions[-2])]
    assert later == revisions[-1:]


async def test_a_job_has_the_timing_of_each_character(http: aiohttp.ClientSession, image: dict[str, Any]) -> None:
    job_id = (await create_job(http, build_talking_video(image)))["id"]
    await wait_for_end(http, job_id)
    result = (await call(http, "GET", f"/api/jobs/{job_id}"))["result"]
    assert "".join(result["alignment"]["characters"]) == TEXT
    assert result["alignment"]["character_end_times_seconds"][-1] <= result["audio"]["durationSeconds"]


@pytest.mark.parametrize(
    ("spec", "media"),
    [
        ({"headline": {"headline": "A cat takes the ferry"}}, {"image", "audio"}),
        (
            {"story": {"headline": {"headline": "A cat takes the ferry"}, **SHORT}},
            {"image", "audio", "video", "final"},
        ),
    ],
    ids=["headline", "story"],
)
async def test_a_headline_job_generates_its_media(
    http: aiohttp.ClientSession, spec: dict[str, Any], media: set[str]
) -> None:
    job = await wait_for_end(http, (await create_job(http, spec))["id"])
    assert job["status"] == "succeeded", job
    result = job["result"]
    assert {name for name in ("image", "audio", "video", "final") if name in result} == media
    assert "A cat takes the ferry" in result["prompt"]
    image = Image.open(BytesIO(await download(result["image"])))
    assert image.size == (result["image"]["width"], result["image"]["height"])
    if "final" in media:
        assert await read_codecs(http, result["final"]["key"]) == CODECS


async def test_the_synchronous_route_returns_a_talking_video(
    http: aiohttp.ClientSession, image: dict[str, Any]
) -> None:
    body = {"image_url": image["imageUrl"], "prompt": "zoom in", "text": TEXT, "voice_id": "Sarah", **SHORT}
    headers = {"Idempotency-Key": "waited-for"}
    result = await call(http, "POST", "/jobs_prompt_tts", json=body, headers=headers)
    assert set(result) == {"success", "audio_url", "video_url", "final_url", "job_id"}
    async with aiohttp.ClientSession() as anonymous, anonymous.get(result["final_url"]) as response:
        assert (response.status, response.content_type) == (200, "video/mp4")
    again = await call(http, "POST", "/jobs_prompt_tts", json=body, headers=headers)
    assert again["job_id"] == result["job_id"]


async def test_a_caller_that_prefers_not_to_wait_gets_the_location_of_the_job(
    http: aiohttp.ClientSession, image: dict[str, Any]
) -> None:
    body = {"image_url": image["imageUrl"], "prompt": "zoom in", **SHORT}
    async with http.post("/jobs_prompt_only", json=body, headers={"Prefer": "respond-async"}) as response:
        accepted = await response.json()
        assert (response.status, response.headers["Preference-Applied"]) == (202, "respond-async")
    assert response.headers["Location"] == accepted["status_url"] == f"/api/jobs/{accepted['job_id']}"
    assert (await wait_for_end(http, accepted["job_id"]))["status"] == "succeeded"
    found = await call(http, "GET", response.headers["Location"])
    assert found["kind"] == "animate"


async def test_a_stub_creates_a_job_and_watches_it(suite: Suite, image: dict[str, Any]) -> None:
    metadata = (("authorization", f"Bearer {suite.token()}"),)
    video = jobs_pb2.VideoSpec(image_key=image["key"], prompt="pan left", seconds=1, resolution="512p")
    request = jobs_pb2.CreateJobRequest(animate=jobs_pb2.AnimateSpec(video=video))
    async with grpc.aio.insecure_channel(suite.target) as channel:
        stub: jobs_pb2_grpc.JobServiceAsyncStub = jobs_pb2_grpc.JobServiceStub(channel)
        job = (await stub.CreateJob(request, metadata=metadata, timeout=20)).job
        watch = jobs_pb2.WatchJobRequest(id=job.id, after_revision=job.revision)
        async with open_stream(stub.WatchJob(watch, metadata=metadata, timeout=40)) as call:
            jobs = [event.job async for event in call]
    revisions = [job.revision] + [later.revision for later in jobs]
    assert revisions == sorted(set(revisions))
    assert jobs[-1].status == jobs_pb2.JOB_STATUS_SUCCEEDED
    assert (jobs[-1].result.video.width, jobs[-1].result.video.duration_seconds) == (910, 1.0)


if GRPCURL is not None:

    async def test_grpcurl_creates_a_job_and_gets_it(suite: Suite, http: aiohttp.ClientSession) -> None:
        job = (await grpcurl(suite, "CreateJob", {"headline": {"headline": "By grpcurl"}}))["job"]
        assert (await wait_for_end(http, job["id"]))["status"] == "succeeded"
        found = (await grpcurl(suite, "GetJob", {"id": job["id"]}))["job"]
        assert "".join(found["result"]["alignment"]["characters"]) == "By grpcurl"


async def grpcurl(suite: Suite, method: str, request: dict[str, Any]) -> dict[str, Any]:
    assert GRPCURL is not None
    process = await asyncio.create_subprocess_exec(
        *(GRPCURL, "-plaintext", "-H", f"authorization: Bearer {suite.token()}"),
        *("-d", orjson.dumps(request).decode(), suite.target, f"{SERVICE}/{method}"),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] = orjson.loads(output)
    return found
