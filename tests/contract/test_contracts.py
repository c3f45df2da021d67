"""The contract tool says so when stubs drift, when style slips, and when a change breaks clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.workspace import ROOT, Workspace

TTS = "media/tts/v1/tts.proto"
STUB = "gen/media/tts/v1/tts_pb2.py"
A_FIELD = "  // Optional. Whether the answer carries the timing of each character. Default: false.\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_the_committed_stubs_are_what_the_contracts_give(workspace: Workspace) -> None:
    done = workspace.contracts("drift")
    assert (done.returncode, done.stdout) == (0, "")


def test_an_edited_contract_is_drift_until_the_stubs_are_generated_again(workspace: Workspace) -> None:
    workspace.edit(TTS, "  // Describes the audio.\n", "  // Describes the coming audio.\n")
    done = workspace.contracts("drift")
    assert done.returncode == 1
    assert "protos/gen/media/descriptors.pb is not what the .proto files give" in done.stdout
    assert "make protos" in done.stdout
    assert workspace.contracts("generate").returncode == 0
    assert workspace.contracts("drift").returncode == 0


def test_an_edited_missing_or_extra_stub_is_drift(workspace: Workspace) -> None:
    stub = workspace.protos / STUB
    stub.write_text(stub.read_text() + "# edited\n")
    (workspace.protos / "gen/media/py.typed").unlink()
    (workspace.protos / "gen/media/tts/v1/extra_pb2.py").touch()
    done = workspace.contracts("drift")
    assert done.returncode == 1
    for name in ("media/tts/v1/tts_pb2.py", "media/py.typed", "media/tts/v1/extra_pb2.py"):
        assert f"protos/gen/{name} is not what the .proto files give" in done.stdout


def test_the_contracts_keep_to_the_style(workspace: Workspace) -> None:
    done = workspace.contracts("lint")
    assert (done.returncode, done.stdout) == (0, "")


def test_a_field_without_a_comment_is_a_slip_of_style(workspace: Workspace) -> None:
    workspace.edit(TTS, "  // Media type of the audio, such as audio/mpeg.\n", "")
    done = workspace.contracts("lint")
    assert done.returncode != 0
    assert "content_type" in done.stdout + done.stderr


def test_a_contract_that_does_not_compile_is_an_error(workspace: Workspace) -> None:
    workspace.edit(TTS, "string content_type = 1;", "strung content_type = 1;")
    for command in ("lint", "drift", "generate"):
        assert workspace.contracts(command).returncode != 0


def test_a_contract_that_only_grows_breaks_no_client(workspace: Workspace) -> None:
    workspace.commit()
    workspace.edit(
        TTS, "  string content_type = 1;\n", "  string content_type = 1;\n  // Something new.\n  string new = 99;\n"
    )
    done = workspace.contracts("breaking", "--against", "main")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  string content_type = 1;\n", ""),
        ("  string content_type = 1;\n", "  string media_type = 1;\n"),
        ("  string content_type = 1;\n", "  bytes content_type = 1;\n"),
        ("  rpc GetVoice(GetVoiceRequest)", "  rpc FindVoice(GetVoiceRequest)"),
        ("  VOICE_TYPE_EMBEDDED = 4;\n", ""),
    ],
    ids=["removed field", "renamed field", "retyped field", "renamed method", "removed value"],
)
def test_a_change_that_breaks_clients_is_refused(workspace: Workspace, old: str, new: str) -> None:
    workspace.commit()
    workspace.edit(TTS, old, new)
    done = workspace.contracts("breaking")
    assert done.returncode != 0
    assert "tts.proto" in done.stdout + done.stderr


def test_where_no_contracts_were_committed_nothing_can_break(workspace: Workspace) -> None:
    done = workspace.contracts("breaking")
    assert done.returncode == 0
    assert "nothing can break" in done.stdout


def test_an_unknown_revision_is_an_error(workspace: Workspace) -> None:
    workspace.commit()
    done = workspace.contracts("breaking", "--against", "mian")
    assert done.returncode != 0
    assert "mian" in done.stdout


def test_a_break_that_main_already_holds_is_still_seen(workspace: Workspace) -> None:
    workspace.commit()
    workspace.edit(TTS, "  string content_type = 1;\n", "")
    workspace.commit()
    assert workspace.contracts("breaking").returncode != 0


def test_help_lists_the_commands(workspace: Workspace) -> None:
    told = workspace.contracts("--help").stdout
    for command in ("generate", "drift", "lint", "breaking"):
        assert command in told


def test_every_stub_has_its_type_information() -> None:
    stubs = list((ROOT / "protos" / "gen").rglob("*_pb2*.py"))
    assert stubs
    assert all(stub.with_suffix(".pyi").exists() for stub in stubs)
