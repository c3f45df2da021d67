"""A check of a video request fails as the request would, and reaches no provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from media.video.v1 import video_pb2

from services.common.errors import Reason
from services.common.images import Size
from services.common.rpc.channel import call_metadata
from services.common.storage import ObjectSpec
from services.common.worker_pool import WorkerPool
from tests.fakes.image_provider import make_image
from tests.fakes.object_store import FakeObjectStore
from tests.integration.video.conftest import VideoSuite, get_error, run_video_service

KEY = "images/cat.png"


@pytest.fixture
async def suite(workers: WorkerPool, tmp_path: Path) -> AsyncIterator[VideoSuite]:
    store = FakeObjectStore()
    await store.put(KEY, make_image(Size(640, 400)), ObjectSpec("image/png", {"owner": "alice"}))
    async with run_video_service(workers, tmp_path / "work", store) as running:
        yield running


def check(suite: VideoSuite, *, image_is_pending: bool = False, burned_text: str = "", **fields: Any) -> Any:
    request = video_pb2.GenerateVideoRequest(
        **{"prompt": "zoom in", "image_key": KEY, "provider": "embedded", **fields}
    )
    message = video_pb2.CheckVideoRequest(request=request, image_is_pending=image_is_pending, burned_text=burned_text)
    return suite.stub.CheckVideo(message, metadata=call_metadata("alice"))


async def test_a_check_names_what_would_generate_and_stores_nothing(suite: VideoSuite) -> None:
    stored = set(suite.store.objects)
    found = await check(suite)
    assert (found.provider, bool(found.model)) == ("embedded", True)
    assert set(suite.store.objects) == stored


async def test_a_missing_token_is_told_before_anything_is_paid(suite: VideoSuite) -> None:
    assert (await get_error(check(suite, provider="replicate"))).reason is Reason.API_KEY_MISSING


async def test_the_source_image_is_read_unless_it_is_pending(suite: VideoSuite) -> None:
    error = await get_error(check(suite, image_key="images/none.png"))
    assert [item.field for item in error.violations] == ["image_key"]
    assert (await check(suite, image_key="images/none.png", image_is_pending=True)).provider == "embedded"


async def test_a_text_that_no_font_can_burn_is_refused(suite: VideoSuite) -> None:
    error = await get_error(check(suite, burned_text="Hello \u0f56\u0f7c\u0f51"))
    assert (error.reason, [item.field for item in error.violations]) == (Reason.VALIDATION_ERROR, ["burned_text"])
    assert "Tibetan" in error.message
    assert (await check(suite, burned_text="Hello, \u4f60\u597d")).provider == "embedded"


async def test_the_known_models_are_listed_with_what_they_generate(suite: VideoSuite) -> None:
    models = {
        item.model: item for item in (await suite.stub.ListVideoModels(video_pb2.ListVideoModelsRequest())).models
    }
    assert models["embedded"].is_default
    assert list(models["embedded"].shapes) == []
    hailuo = models["minimax/hailuo-02"]
    assert (hailuo.provider, hailuo.is_default) == ("replicate", True)
    assert {shape.resolution: list(shape.seconds) for shape in hailuo.shapes} == {
        "768p": [6, 10],
        "512p": [6],
        "1080p": [6],
    }
