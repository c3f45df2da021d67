"""Signed links of the own store as inputs: read from the store, not over the network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from media.video.v1 import video_pb2

from services.common.errors import Reason
from services.common.images import Size
from services.common.rpc.channel import call_metadata
from services.common.storage import ObjectSpec
from services.common.worker_pool import WorkerPool
from tests.fakes.image_provider import make_image
from tests.fakes.media import make_speech
from tests.fakes.object_store import FakeObjectStore
from tests.integration.video.conftest import VideoSuite, get_error, run_video_service

# No server listens there: a successful read came from the store.
PREFIX = "http://169.254.169.254/media/"
SOURCE_IMAGE, VIDEO, SPEECH = "images/cat.png", "videos/cat.mp4", "audio/cat.wav"


class LinkingStore(FakeObjectStore):
    """A store that recognizes its own links."""

    def key_from_url(self, url: str) -> str | None:
        """Return the key after the prefix."""
        return url.removeprefix(PREFIX) if url.startswith(PREFIX) else None


@pytest.fixture
async def linked(workers: WorkerPool, tmp_path: Path, two_seconds: bytes) -> AsyncIterator[VideoSuite]:
    """The service over a store with an image, a video and speech of another caller."""
    store = LinkingStore()
    kinds = ((SOURCE_IMAGE, make_image(Size(320, 200)), "image/png"), (VIDEO, two_seconds, "video/mp4"))
    for key, data, kind in (*kinds, (SPEECH, make_speech(1.0), "audio/wav")):
        await store.put(key, data, ObjectSpec(kind, {"owner": "bob"}))
    async with run_video_service(workers, tmp_path / "work", store, fetch_allow="") as suite:
        yield suite


async def probe_url(suite: VideoSuite, url: str) -> video_pb2.MediaInfo:
    request = video_pb2.ProbeMediaRequest(media=video_pb2.MediaSource(url=url))
    return (await suite.stub.ProbeMedia(request, metadata=call_metadata("alice"))).info


async def test_a_signed_link_grants_access_to_the_file(linked: VideoSuite) -> None:
    assert (await probe_url(linked, PREFIX + VIDEO)).duration_seconds == 2.0
    assert linked.leftovers == []


async def test_a_video_is_generated_from_a_linked_image(linked: VideoSuite) -> None:
    video = await linked.generate(image_url=PREFIX + SOURCE_IMAGE, seconds=1, resolution="512p")
    assert video.file.duration_seconds == 1.0
    assert video.file.key in linked.store.objects


async def test_linked_speech_is_added_to_a_linked_video(linked: VideoSuite) -> None:
    video, audio = (video_pb2.MediaSource(url=PREFIX + key) for key in (VIDEO, SPEECH))
    request = video_pb2.MuxVideoRequest(video=video, audio=audio)
    events = [event async for event in linked.stub.MuxVideo(request, metadata=call_metadata("alice"))]
    assert [stream.codec for stream in events[-1].video.file.streams] == ["h264", "aac"]


async def test_a_link_to_a_missing_object_is_rejected(linked: VideoSuite) -> None:
    errors = [
        await get_error(probe_url(linked, f"{PREFIX}videos/gone.mp4")),
        await get_error(linked.generate(image_url=f"{PREFIX}images/gone.png")),
    ]
    assert [error.reason for error in errors] == [Reason.NOT_FOUND] * 2
    assert [item.field for error in errors for item in error.violations] == ["media.url", "image_url"]
    assert linked.leftovers == []


async def test_other_links_are_checked_as_urls(linked: VideoSuite) -> None:
    url = PREFIX.replace("/media/", "/other/") + VIDEO
    assert (await get_error(probe_url(linked, url))).reason is Reason.URL_FORBIDDEN
    assert (await get_error(linked.generate(image_url=url))).reason is Reason.URL_FORBIDDEN


async def test_a_linked_file_must_have_the_right_type(linked: VideoSuite) -> None:
    assert (await get_error(linked.generate(image_url=PREFIX + SPEECH))).reason is Reason.MEDIA_INVALID
    assert (await get_error(probe_url(linked, PREFIX + SOURCE_IMAGE))).reason is Reason.MEDIA_INVALID
