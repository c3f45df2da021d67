"""Stored videos: their owner gets and lists them with new URLs, generated ones and those with added speech."""

from __future__ import annotations

import pytest
from media.video.v1 import video_pb2

from services.common.errors import Reason
from services.common.images import Size
from services.common.rpc.channel import call_metadata
from services.common.storage import ObjectSpec
from tests.fakes.image_provider import make_image
from tests.fakes.media import make_speech
from tests.integration.video.conftest import VideoSuite, get_error


async def get(suite: VideoSuite, key: str, principal: str = "alice") -> video_pb2.StoredVideo:
    request = video_pb2.GetVideoRequest(key=key)
    return (await suite.stub.GetVideo(request, metadata=call_metadata(principal))).video


async def list_videos(suite: VideoSuite, principal: str = "alice", **fields: object) -> video_pb2.ListVideosResponse:
    request = video_pb2.ListVideosRequest(**fields)  # type: ignore[arg-type]
    return await suite.stub.ListVideos(request, metadata=call_metadata(principal))


@pytest.fixture
async def generated(suite: VideoSuite) -> video_pb2.GeneratedVideo:
    """A video of alice, of 2 s."""
    image = make_image(Size(320, 200))
    await suite.store.put("images/cat.png", image, ObjectSpec("image/png", {"owner": "alice"}))
    return await suite.generate(image_key="images/cat.png", seconds=2, resolution="512p")


async def test_a_generated_video_is_returned_with_all_that_is_known(
    suite: VideoSuite, generated: video_pb2.GeneratedVideo
) -> None:
    found, file = await get(suite, generated.file.key), generated.file
    assert (found.key, found.url, found.url_expire_time) == (file.key, file.url, file.url_expire_time)
    assert (found.content_type, found.size_bytes, found.sha256) == (file.content_type, file.size_bytes, file.sha256)
    assert (found.width, found.height, found.duration_seconds) == (file.width, file.height, file.duration_seconds)
    assert (found.frame_rate, list(found.streams)) == (file.frame_rate, list(file.streams))
    assert (found.provider, found.model) == (generated.provider, generated.model)
    assert (found.prompt, found.prediction_id) == ("zoom in", generated.prediction_id)
    assert found.HasField("create_time")


async def test_videos_are_listed_newest_first_for_their_owner_only(
    suite: VideoSuite, generated: video_pb2.GeneratedVideo
) -> None:
    data = suite.store.objects[generated.file.key][1]
    muxed = await suite.mux(data, make_speech(1.0))
    listed = await list_videos(suite)
    assert {video.key for video in listed.videos} == {muxed.file.key, generated.file.key}
    assert {video.prompt for video in listed.videos} == {"", "zoom in"}
    first = await list_videos(suite, page_size=1)
    second = await list_videos(suite, page_size=1, page_token=first.next_page_token)
    assert [*first.videos, *second.videos] == list(listed.videos)
    assert not (await list_videos(suite, "bob")).videos
    assert (await get_error(list_videos(suite, page_size=101))).reason is Reason.VALIDATION_ERROR
    assert (await get_error(list_videos(suite, page_token="x"))).reason is Reason.VALIDATION_ERROR


async def test_another_caller_does_not_get_a_video(suite: VideoSuite, generated: video_pb2.GeneratedVideo) -> None:
    for principal in ("bob", ""):
        assert (await get_error(get(suite, generated.file.key, principal))).reason is Reason.NOT_FOUND
    assert (await get_error(get(suite, "images/cat.png"))).reason is Reason.NOT_FOUND
    assert (await get_error(get(suite, "users/bob/a.mp4"))).reason is Reason.PERMISSION_DENIED


async def test_a_deleted_video_is_not_listed(suite: VideoSuite, generated: video_pb2.GeneratedVideo) -> None:
    request = video_pb2.DeleteVideoRequest(key=generated.file.key)
    await suite.stub.DeleteVideo(request, metadata=call_metadata("alice"))
    assert not (await list_videos(suite)).videos
    assert (await get_error(get(suite, generated.file.key))).reason is Reason.NOT_FOUND
