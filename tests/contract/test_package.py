"""Tests of the stubs as a package: built into a wheel, installed in an empty environment, typed and working."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import AsyncIterator
from email import message_from_string
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pb2
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from tests.contract.workspace import Workspace
from tests.fakes.grpc_server import run_test_server

CLIENT = '''"""Lists voices and speaks, through stubs that were installed."""
import asyncio
import sys

import grpc
from media.tts.v1 import tts_pb2
from media.tts.v1.tts_pb2_grpc import TextToSpeechServiceStub


async def speak(target: str) -> tuple[str, float]:
    async with grpc.aio.insecure_channel(target) as channel:
        stub = TextToSpeechServiceStub(channel)
        voice: tts_pb2.GetVoiceResponse = await stub.GetVoice(tts_pb2.GetVoiceRequest(voice="Aria"))
        done = 0.0
        async for event in stub.SynthesizeStream(tts_pb2.SynthesizeStreamRequest(text="Hello")):
            done = max(done, event.done.duration_seconds)
        return voice.voice.name, done


print(tts_pb2.__file__, *asyncio.run(speak(sys.argv[1])), sep="\\n")
'''


class FixedSpeechServicer(tts_pb2_grpc.TextToSpeechServiceServicer):
    """Returns the same voice and the same stream for every request."""

    async def Synthesize(  # noqa: N802 - named by the contract
        self, request: tts_pb2.SynthesizeRequest, context: object
    ) -> tts_pb2.SynthesizeResponse:
        return tts_pb2.SynthesizeResponse()

    async def ConvertAlignment(  # noqa: N802 - named by the contract
        self, request: tts_pb2.ConvertAlignmentRequest, context: object
    ) -> tts_pb2.ConvertAlignmentResponse:
        return tts_pb2.ConvertAlignmentResponse()

    async def CheckSpeech(  # noqa: N802 - named by the contract
        self, request: tts_pb2.CheckSpeechRequest, context: object
    ) -> tts_pb2.CheckSpeechResponse:
        return tts_pb2.CheckSpeechResponse()

    async def ListSpeechModels(  # noqa: N802 - named by the contract
        self, request: tts_pb2.ListSpeechModelsRequest, context: object
    ) -> tts_pb2.ListSpeechModelsResponse:
        return tts_pb2.ListSpeechModelsResponse()

    async def ListVoices(  # noqa: N802 - named by the contract
        self, request: tts_pb2.ListVoicesRequest, context: object
    ) -> tts_pb2.ListVoicesResponse:
        return tts_pb2.ListVoicesResponse()

    async def GetVoice(  # noqa: N802 - named by the contract
        self, request: tts_pb2.GetVoiceRequest, context: object
    ) -> tts_pb2.GetVoiceResponse:
        return tts_pb2.GetVoiceResponse(voice=tts_pb2.Voice(name="Aria"))

    async def GetStoredAudio(  # noqa: N802 - named by the contract
        self, request: tts_pb2.GetStoredAudioRequest, context: object
    ) -> tts_pb2.GetStoredAudioResponse:
        return tts_pb2.GetStoredAudioResponse()

    async def ListStoredAudio(  # noqa: N802 - named by the contract
        self, request: tts_pb2.ListStoredAudioRequest, context: object
    ) -> tts_pb2.ListStoredAudioResponse:
        return tts_pb2.ListStoredAudioResponse()

    async def DeleteStoredAudio(  # noqa: N802 - named by the contract
        self, request: tts_pb2.DeleteStoredAudioRequest, context: object
    ) -> tts_pb2.DeleteStoredAudioResponse:
        return tts_pb2.DeleteStoredAudioResponse()

    async def SynthesizeStream(  # noqa: N802 - named by the contract
        self, request: tts_pb2.SynthesizeStreamRequest, context: object
    ) -> AsyncIterator[tts_pb2.SynthesizeStreamResponse]:
        yield tts_pb2.SynthesizeStreamResponse(header=tts_pb2.SpeechHeader(voice_name="Aria"))
        yield tts_pb2.SynthesizeStreamResponse(done=tts_pb2.SpeechDone(duration_seconds=1.5))


def register(server: grpc.aio.Server) -> list[str]:
    tts_pb2_grpc.add_TextToSpeechServiceServicer_to_server(FixedSpeechServicer(), server)
    return ["media.tts.v1.TextToSpeechService"]


def require_output(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def wheel(workspace: Workspace) -> Path:
    """The wheel of the stubs, built without network."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    offline = ("--no-build-isolation", "--no-deps", "--no-index", "--quiet")
    require_output(
        workspace.run(*pip, "wheel", *offline, "--wheel-dir", str(workspace.root / "dist"), str(workspace.protos))
    )
    (built,) = (workspace.root / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(workspace: Workspace, wheel: Path) -> Path:
    """Interpreter of an environment that has the wheel, and the dependencies of the wheel on its path."""
    home = workspace.root / "bare"
    require_output(workspace.run(sys.executable, "-m", "venv", "--without-pip", str(home)))
    interpreter = home / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(interpreter))
    require_output(workspace.run(*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)))
    site = Path(
        require_output(workspace.run(str(interpreter), "-c", "import site; print(site.getsitepackages()[0])")).strip()
    )
    # A .pth file adds only the folder itself: the .pth files in it, with the import roots of this project, are ignored.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return interpreter


@pytest.fixture(scope="module")
def client(workspace: Workspace) -> Path:
    path = workspace.root / "client.py"
    path.write_text(CLIENT)
    return path


def test_the_wheel_has_stubs_types_and_descriptors(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "media/py.typed",
        "media/descriptors.pb",
        "media/tts/v1/tts_pb2.py",
        "media/tts/v1/tts_pb2.pyi",
        "media/tts/v1/tts_pb2_grpc.py",
        "media/tts/v1/tts_pb2_grpc.pyi",
        "media/common/v1/alignment_pb2.pyi",
        "buf/validate/validate_pb2.py",
        "buf/validate/validate_pb2.pyi",
    } <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".proto")]
    assert {name.partition("/")[0] for name in names} == {"media", "buf", "media_protos-0.1.0.dist-info"}


def test_the_wheel_requires_the_runtimes_that_its_stubs_need(wheel: Path) -> None:
    contents = zipfile.ZipFile(wheel)
    metadata = message_from_string(contents.read("media_protos-0.1.0.dist-info/METADATA").decode())
    required = set(metadata.get_all("Requires-Dist") or ())
    grpc_version = tts_pb2_grpc.GRPC_GENERATED_VERSION
    assert f"grpcio>={grpc_version}" in required
    generated = contents.read("media/tts/v1/tts_pb2.py").decode()
    (protobuf_version,) = [line.split()[-1] for line in generated.splitlines() if "Protobuf Python Version" in line]
    assert f"protobuf>={protobuf_version}" in required
    assert any(item.startswith("googleapis-common-protos>=") for item in required)


def test_the_descriptors_describe_every_service_with_comments(wheel: Path) -> None:
    content = zipfile.ZipFile(wheel).read("media/descriptors.pb")
    files = {file.name: file for file in descriptor_pb2.FileDescriptorSet.FromString(content).file}
    tts = files["media/tts/v1/tts.proto"]
    assert [service.name for service in tts.service] == ["TextToSpeechService"]
    assert any(place.leading_comments for place in tts.source_code_info.location)
    assert set(tts.dependency) <= set(files)


async def test_an_installed_client_makes_typed_calls(workspace: Workspace, python: Path, client: Path) -> None:
    async with run_test_server(register) as running:
        output = require_output(await asyncio.to_thread(workspace.run, str(python), str(client), running.target))
    installed_at, voice, seconds = output.splitlines()
    assert installed_at.startswith(str(workspace.root / "bare"))
    assert (voice, seconds) == ("Aria", "1.5")


def run_type_check(workspace: Workspace, python: Path, client: Path) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "mypy", "--strict", "--config-file=", "--python-executable", str(python))
    return workspace.run(*command, "--cache-dir", str(workspace.root / "mypy"), "--output", "json", str(client))


def test_an_installed_client_is_strictly_typed(workspace: Workspace, python: Path, client: Path) -> None:
    assert require_output(run_type_check(workspace, python, client)).strip() == ""


def test_a_client_that_misuses_a_stub_fails_the_type_check(workspace: Workspace, python: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from media.tts.v1 import tts_pb2\n\ntts_pb2.GetVoiceRequest(voice=1, colour='red')\n")
    found = [json.loads(line)["code"] for line in run_type_check(workspace, python, wrong).stdout.splitlines()]
    assert found
    assert set(found) <= {"arg-type", "call-arg"}
