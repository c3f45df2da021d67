"""Jobs through the edge, made to their end and watched meanwhile, over HTTP and gRPC."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
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
from tests.e2e.jobs import SHORT, TEXT, answered, created, ended, events, talking, uploaded
from tests.fakes.media import FFPROBE, run_ffprobe

SERVICE = "media.jobs.v1.JobService"
GRPCURL = shutil.which("grpcurl")
CODECS = {"video": "h264", "audio": "aac", "subtitle": "mov_text"}


@pytest.fixture
async def http(suite: Suite) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {suite.token()}"}
    async with aiohttp.ClientSession(suite.url, headers=headers) as session:
        yield session


@pytest.fixture
async def image(http: aiohttp.ClientSession) -> dict[str, Any]:
    """Bring an image along."""
    return await uploaded(http)


async def probed(http: aiohttp.ClientSession, key: str) -> dict[str, str]:
    """Return the codec of each stream, as the suite sees it."""
    found = await answered(http, "POST", "/api/video/probe", json={"media": {"key": key}})
    return {stream["kind"]: stream["codec"] for stream in found["streams"]}


async def fetched(medium: dict[str, Any]) -> bytes:
    async with aiohttp.ClientSession() as nobody, nobody.get(medium["url"]) as answer:
        assert (answer.status, answer.content_type) == (200, medium["contentType"])
        return await answer.read()


async def test_an_image_speaks_by_a_job(http: aiohttp.ClientSession, image: dict[str, Any], tmp_path: Path) -> None:
    job_id = (await created(http, talking(image)))["id"]
    job = await ended(http, job_id)
    result = job["result"]
    assert (job["status"], job["attempt"]) == ("JOB_STATUS_SUCCEEDED", 1)
    assert {name: result[name]["provider"] for name in ("audio", "video")} == {"audio": "espeak", "video": "embedded"}
    spoken_seconds = 0.5 + result["audio"]["durationSeconds"]
    assert result["final"]["durationSeconds"] == pytest.approx(max(1.0, spoken_seconds), abs=1 / 24)
    files = {name: await fetched(result[name]) for name in ("audio", "video", "final")}
    assert min(map(len, files.values())) > 1000
    assert await probed(http, result["final"]["key"]) == CODECS
    if FFPROBE is not None:
        path = tmp_path / "talking.mp4"
        path.write_bytes(files["final"])
        foreign = run_ffprobe(path)
        assert {kind: foreign.stream(kind)["codec_name"] for kind in CODECS} == CODECS
        assert foreign.seconds("video") == pytest.approx(result["final"]["durationSeconds"], abs=1 / 24)
        assert foreign.stream("video")["height"] == result["final"]["height"] == 512


async def test_the_events_of_a_job_lead_to_its_end(http: aiohttp.ClientSession, image: dict[str, Any]) -> None:
    job_id = (await created(http, talking(image)))["id"]
    told = [told async for told in events(http, job_id)]
    revisions = [event.job["revision"] for event in told]
    percents = [event.job["percent"] for event in told]
    assert [event.name for event in told] == ["job"] * (len(told) - 1) + ["end"]
    assert revisions == sorted(set(revisions))
    assert percents == sorted(percents)
    assert percents[-1] == 100
    stages = list(dict.fromkeys(event.job["stage"] for event in told if event.job["stage"]))
    assert stages == [stage for stage in ("audio", "video", "mux") if stage in stages]
    assert "video" in stages
    later = [event.job["revision"] async for event in events(http, job_id, after=revisions[-2])]
    assert later == revisions[-1:]


async def test_a_job_knows_when_each_character_is_heard(http: aiohttp.ClientSession, image: dict[str, Any]) -> None:
    job_id = (await created(http, talking(image)))["id"]
    await ended(http, job_id)
    result = (await answered(http, "GET", f"/api/jobs/{job_id}"))["result"]
    assert "".join(result["alignment"]["characters"]) == TEXT
    assert result["alignment"]["characterEndTimesSeconds"][-1] <= result["audio"]["durationSeconds"]


@pytest.mark.parametrize(
    ("spec", "made"),
    [
        ({"headline": {"headline": "A cat takes the ferry"}}, {"image", "audio"}),
        (
            {"story": {"headline": {"headline": "A cat takes the ferry"}, **SHORT}},
            {"image", "audio", "video", "final"},
        ),
    ],
    ids=["headline", "story"],
)
async def test_a_headline_is_made_into_media(http: aiohttp.ClientSession, spec: dict[str, Any], made: set[str]) -> None:
    job = await ended(http, (await created(http, spec))["id"])
    assert job["status"] == "JOB_STATUS_SUCCEEDED", job
    result = job["result"]
    assert {name for name in ("image", "audio", "video", "final") if name in result} == made
    assert "A cat takes the ferry" in result["prompt"]
    image = Image.open(BytesIO(await fetched(result["image"])))
    assert image.size == (result["image"]["width"], result["image"]["height"])
    if "final" in made:
        assert await probed(http, result["final"]["key"]) == CODECS


async def test_a_video_that_speaks_is_waited_for(http: aiohttp.ClientSession, image: dict[str, Any]) -> None:
    body = {"image_url": image["imageUrl"], "prompt": "zoom in", "text": TEXT, "voice_id": "Sarah", **SHORT}
    named = {"Idempotency-Key": "waited-for"}
    told = await answered(http, "POST", "/jobs_prompt_tts", json=body, headers=named)
    assert set(told) == {"success", "audio_url", "video_url", "final_url", "job_id"}
    async with aiohttp.ClientSession() as nobody, nobody.get(told["final_url"]) as answer:
        assert (answer.status, answer.content_type) == (200, "video/mp4")
    again = await answered(http, "POST", "/jobs_prompt_tts", json=body, headers=named)
    assert again["job_id"] == told["job_id"]


async def test_a_caller_that_prefers_not_to_wait_gets_the_address_of_the_job(
    http: aiohttp.ClientSession, image: dict[str, Any]
) -> None:
    body = {"image_url": image["imageUrl"], "prompt": "zoom in", **SHORT}
    async with http.post("/jobs_prompt_only", json=body, headers={"Prefer": "respond-async"}) as answer:
        told = await answer.json()
        assert (answer.status, answer.headers["Preference-Applied"]) == (202, "respond-async")
    assert answer.headers["Location"] == told["status_url"] == f"/api/jobs/{told['job_id']}"
    assert (await ended(http, told["job_id"]))["status"] == "JOB_STATUS_SUCCEEDED"
    found = await answered(http, "GET", answer.headers["Location"])
    assert found["kind"] == "JOB_KIND_ANIMATE"


async def test_a_stub_makes_a_job_and_watches_it(suite: Suite, image: dict[str, Any]) -> None:
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

    async def test_grpcurl_makes_a_job_and_gets_it(suite: Suite, http: aiohttp.ClientSession) -> None:
        job = (await grpcurl(suite, "CreateJob", {"headline": {"headline": "By grpcurl"}}))["job"]
        assert (await ended(http, job["id"]))["status"] == "JOB_STATUS_SUCCEEDED"
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
