"""Tests of the models of speech providers: the list of them, and the end of one."""

from __future__ import annotations

from datetime import date

import grpc
import pytest
from media.tts.v1 import tts_pb2

from services.common.errors import Reason
from services.common.providers.models import ModelInfo
from services.common.rpc.status import from_rpc_error
from services.tts.providers.interface import Capabilities
from tests.fakes.speech import ALL_FAMILIES, FakeSpeechProvider
from tests.fakes.speech_service import open_speech_stub


async def test_the_known_models_are_listed_with_their_limits() -> None:
    models = {
        "large": ModelInfo("large", traits={"max_text_characters": 5000, "ignores": ["seed"]}),
        "old": ModelInfo("old", date(2027, 3, 15), "large", {"max_text_characters": 100}),
    }
    provider = FakeSpeechProvider(capabilities=Capabilities(ALL_FAMILIES, default_model_id="large", models=models))
    async with open_speech_stub(provider) as stub:
        first, second = (await stub.ListSpeechModels(tts_pb2.ListSpeechModelsRequest())).models
    assert (first.provider, first.model_id, first.is_default) == (provider.name, "large", True)
    assert (first.max_text_characters, list(first.ignored_fields), first.end_date) == (5000, ["seed"], "")
    assert (second.model_id, second.is_default) == ("old", False)
    assert (second.end_date, second.successor) == ("2027-03-15", "large")


async def test_an_ended_model_is_refused_with_its_successor() -> None:
    models = {"old": ModelInfo("old", date(2020, 1, 1), "new", {"max_text_characters": 100})}
    provider = FakeSpeechProvider(capabilities=Capabilities(ALL_FAMILIES, models=models))
    async with open_speech_stub(provider) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Synthesize(tts_pb2.SynthesizeRequest(text="Hi!", model_id="old"))
    error = from_rpc_error(caught.value)
    assert (error.reason, [item.field for item in error.violations]) == (Reason.MODEL_RETIRED, ["model_id"])
    assert error.message.endswith(f"old of {provider.name} ended on 2020-01-01; use new")
    assert provider.specs == []
