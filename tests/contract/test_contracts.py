"""Tests of `protos/contracts.py`: it reports stubs that drift, violations of style, and changes that break clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.workspace import ROOT, Workspace

TTS = "media/tts/v1/tts.proto"
STUB = "gen/media/tts/v1/tts_pb2.py"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_the_committed_stubs_match_the_contracts(workspace: Workspace) -> None:
    result = workspace.run_tool("drift")
    assert (result.returncode, result.stdout) == (0, "")


def test_an_edited_contract_is_drift_until_the_stubs_are_generated_again(workspace: Workspace) -> None:
    workspace.edit(TTS, "  // Describes the audio.\n", "  // Describes the audio in short.\n")
    result = workspace.run_tool("drift")
    assert result.returncode == 1
    assert "protos/gen/media/descriptors.pb differs from what the .proto files generate" in result.stdout
    assert "make protos" in result.stdout
    assert workspace.run_tool("generate").returncode == 0
    assert workspace.run_tool("drift").returncode == 0


def test_an_edited_missing_or_extra_stub_is_drift(workspace: Workspace) -> None:
    stub = workspace.protos / STUB
    stub.write_text(stub.read_text() + "# edited\n")
    (workspace.protos / "gen/media/py.typed").unlink()
    (workspace.protos / "gen/media/tts/v1/extra_pb2.py").touch()
    result = workspace.run_tool("drift")
    assert result.returncode == 1
    for name in ("media/tts/v1/tts_pb2.py", "media/py.typed", "media/tts/v1/extra_pb2.py"):
        assert f"protos/gen/{name} differs from what the .proto files generate" in result.stdout


def test_the_contracts_follow_the_style(workspace: Workspace) -> None:
    result = workspace.run_tool("lint")
    assert (result.returncode, result.stdout) == (0, "")


def test_a_field_without_a_comment_violates_the_style(workspace: Workspace) -> None:
    workspace.edit(TTS, "  // Media type of the audio, such as audio/mpeg.\n", "")
    result = workspace.run_tool("lint")
    assert result.returncode != 0
    assert "content_type" in result.stdout + result.stderr


def test_a_contract_that_does_not_compile_is_an_error(workspace: Workspace) -> None:
    workspace.edit(TTS, "string content_type = 1;", "strung content_type = 1;")
    for command in ("lint", "drift", "generate"):
        assert workspace.run_tool(command).returncode != 0


def test_an_added_field_breaks_no_client(workspace: Workspace) -> None:
    workspace.commit()
    workspace.edit(
        TTS, "  string content_type = 1;\n", "  string content_type = 1;\n  // Something new.\n  string new = 99;\n"
    )
    result = workspace.run_tool("breaking", "--against", "main")
    assert (result.returncode, result.stdout) == (0, "")


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
    result = workspace.run_tool("breaking")
    assert result.returncode != 0
    assert "tts.proto" in result.stdout + result.stderr


def test_without_committed_contracts_nothing_can_break(workspace: Workspace) -> None:
    result = workspace.run_tool("breaking")
    assert result.returncode == 0
    assert "nothing can break" in result.stdout


def test_an_unknown_revision_is_an_error(workspace: Workspace) -> None:
    workspace.commit()
    result = workspace.run_tool("breaking", "--against", "mian")
    assert result.returncode != 0
    assert "mian" in result.stdout


def test_a_breaking_commit_on_main_is_still_reported(workspace: Workspace) -> None:
    workspace.commit()
    workspace.edit(TTS, "  string content_type = 1;\n", "")
    workspace.commit()
    assert workspace.run_tool("breaking").returncode != 0


def test_help_lists_the_commands(workspace: Workspace) -> None:
    help_text = workspace.run_tool("--help").stdout
    for command in ("generate", "drift", "lint", "breaking"):
        assert command in help_text


def test_every_stub_has_its_type_information() -> None:
    stubs = list((ROOT / "protos" / "gen").rglob("*_pb2*.py"))
    assert stubs
    assert all(stub.with_suffix(".pyi").exists() for stub in stubs)
