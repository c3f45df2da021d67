"""Tests that the links, files, targets, modules, variables, reasons and routes in the documents exist."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from pydantic import AliasChoices

from deploy.local.processes import SUITE, list_ports
from deploy.local.settings import LocalSettings
from deploy.nats.settings import NatsSettings
from gateway import OPENAPI_FILE
from gateway.app import SERVICES
from gateway.envoy.route_table import TABLE
from gateway.envoy.settings import EdgeSettings
from gateway.settings import GatewaySettings
from services.common.errors import Reason
from services.common.settings import Settings, variables
from services.image.settings import ImageSettings
from services.jobs.settings import JobsSettings, WorkerSettings
from services.tts.settings import TtsSettings
from services.video.settings import VideoSettings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
RECORDS = sorted((ROOT / "docs" / "adr").glob("*.md"))
SETTINGS: tuple[type[Settings], ...] = (
    EdgeSettings,
    GatewaySettings,
    TtsSettings,
    ImageSettings,
    VideoSettings,
    JobsSettings,
    WorkerSettings,
    NatsSettings,
    LocalSettings,
)
FOLDERS = "services|gateway|deploy|protos|tests|docs|bench|examples|tools|\\.ci"
PREFIXES = (
    "MEDIA|TTS|IMAGE|VIDEO|JOBS|WORKER|NATS|REPLICATE|FFMPEG|GATEWAY"
    "|ELEVENLABS|FAL|GEMINI|SUPABASE|DIGITALOCEAN|S3|BRAND"
)
FILES_OF_READERS = {"speak.py", "tasks.py"}
"""Files that a document tells its reader to create."""

in_every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def list_variables() -> set[str]:
    aliases = [info.validation_alias for settings in SETTINGS for info in variables(settings).values()]
    further = {str(name) for alias in aliases if isinstance(alias, AliasChoices) for name in alias.choices}
    test_variables = set(re.findall(r"MEDIA_TEST_\w+", (ROOT / ".ci" / "run").read_text()))
    ports = {port.variable for port in list_ports(SUITE)}
    return {name for settings in SETTINGS for name in variables(settings)} | ports | further | test_variables


def list_known_words() -> set[str]:
    statuses = health_pb2.HealthCheckResponse.ServingStatus.keys()
    kinds = [kind for service in SERVICES for kind in service.file.enum_types_by_name.values()]
    enums = {name for kind in kinds for name in kind.values_by_name}
    further = {"STRICT_DNS"}  # a word of Envoy's own configuration
    codes = {code.name for code in grpc.StatusCode}
    return further | enums | list_variables() | set(Reason.__members__) | codes | set(statuses)


def list_routes() -> set[str]:
    paths = json.loads(OPENAPI_FILE.read_text(encoding="utf-8"))["paths"]
    assert isinstance(paths, dict)
    return set(paths) | {"/docs", "/openapi.json"}


def find_links(text: str) -> Iterator[tuple[str, str]]:
    """Yield file and anchor of every relative link."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target:
            file, _, anchor = target.partition("#")
            yield file, anchor


def find_anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def find_spans(text: str) -> list[str]:
    """Return the texts in single backticks outside fenced blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def read_table(text: str, head: str) -> list[list[str]]:
    """Return the rows of the one table whose first column is headed `head`."""
    (found,) = re.findall(rf"^\| {re.escape(head)} \|.*\n\|[-|: ]+\|\n((?:\|.*\n)+)", text, flags=re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()]


@in_every_document
def test_every_relative_link_has_a_target(document: Path) -> None:
    for file, anchor in find_links(document.read_text()):
        target = document.parent / file if file else document
        assert target.exists(), file
        assert not anchor or anchor in find_anchors(target.read_text()), f"{file}#{anchor}"


@in_every_document
def test_every_named_file_exists(document: Path) -> None:
    for span in find_spans(document.read_text()):
        if re.fullmatch(rf"(?:{FOLDERS})/[\w./<>-]+", span):
            pattern = re.sub(r"<\w+>", "*", span)
            assert next(ROOT.glob(pattern), None), span
        if re.fullmatch(r"\w+\.py", span) and span not in FILES_OF_READERS:
            assert next(ROOT.glob(f"services/**/{span}"), None), span


def test_each_question_of_the_contributing_guide_names_one_file() -> None:
    questions = read_table((ROOT / "CONTRIBUTING.md").read_text(), "question")
    assert len(questions) >= 20
    for question, answer in questions:
        assert question.endswith("?"), question
        assert (ROOT / answer.strip("`")).is_file(), answer


def test_the_journeys_of_the_architecture_list_existing_files() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    journeys = re.findall(r"^\| \d+ \| (`[^|]+`) \|", text, flags=re.MULTILINE)
    named = [span for cell in journeys for span in find_spans(cell)]
    assert len(named) >= 60
    assert [span for span in named if not (ROOT / span).is_file()] == []


@in_every_document
def test_every_named_target_is_in_the_makefile(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = re.findall(r"(?:`|\$ |\$\()make (?:-s )?([a-z-]+)", document.read_text())
    assert set(named) <= targets


@in_every_document
def test_every_named_module_can_be_run(document: Path) -> None:
    packages = "services|gateway|deploy|bench|examples|tools"
    for module in re.findall(rf"python -m ((?:{packages})[\w.]*)", document.read_text()):
        spec = importlib.util.find_spec(module)
        assert spec is not None, module
        if spec.submodule_search_locations is not None:
            assert importlib.util.find_spec(f"{module}.__main__") is not None, module


@in_every_document
def test_every_named_variable_is_a_setting(document: Path) -> None:
    named = set(re.findall(rf"(?<![\w.])((?:{PREFIXES})_[A-Z0-9_]+)(?![\w.])", document.read_text()))
    assert named <= list_known_words()


@in_every_document
def test_every_named_reason_and_status_exists(document: Path) -> None:
    capitals = {span for span in find_spans(document.read_text()) if re.fullmatch(r"[A-Z]+(?:_[A-Z0-9]+)+", span)}
    assert capitals <= list_known_words()


@in_every_document
def test_every_named_route_is_served(document: Path) -> None:
    named = re.findall(
        r"(?:`|localhost:8080)(?:GET |POST |DELETE )?(/(?:api|health|docs|openapi|media|debug|jobs_)[\w./{}-]*)",
        document.read_text(),
    )
    assert set(named) <= list_routes()


@in_every_document
def test_every_json_block_is_valid(document: Path) -> None:
    """Each block is one JSON value, or one value per line."""
    for block in re.findall(r"^```json\n(.*?)^```", document.read_text(), flags=re.MULTILINE | re.DOTALL):
        try:
            json.loads(block)
        except json.JSONDecodeError:
            assert all(isinstance(json.loads(line), dict) for line in block.splitlines())


def read_sources() -> str:
    folders = [ROOT / name for name in ("services", "gateway", "deploy")]
    return "\n".join(file.read_text() for folder in folders for file in sorted(folder.rglob("*.py")))


def test_every_quoted_message_of_the_operations_guide_is_in_the_code() -> None:
    symptoms = read_table((ROOT / "docs" / "operations.md").read_text(), "symptom")
    messages = [message for cells in symptoms for message in re.findall(r'"([^"]{10,})"', cells[0])]
    source = read_sources()
    assert len(messages) >= 10
    assert [message for message in messages if message not in source] == []


@in_every_document
def test_every_named_metric_exists(document: Path) -> None:
    named = {span for span in find_spans(document.read_text()) if re.fullmatch(r"media(?:_[a-z]+){2,}", span)}
    source = read_sources()
    assert [name for name in sorted(named) if f'"{name.removesuffix("_total")}"' not in source] == []


def test_the_readme_lists_every_route_once() -> None:
    specs = [(cells[0].strip("`").partition(" ")) for cells in read_table((ROOT / "README.md").read_text(), "HTTP")]
    listed = [path for _, _, path in specs]
    assert sorted(listed) == sorted(list_routes())


def test_the_readme_lists_every_rpc_once() -> None:
    listed = [cells[0].strip("`") for cells in read_table((ROOT / "README.md").read_text(), "RPC")]
    assert sorted(listed) == sorted(
        f"{service.name}.{method.name}" for service in SERVICES for method in service.methods
    )


def test_the_readme_marks_the_public_routes() -> None:
    public = {spec.path for spec in TABLE if spec.public and not spec.path.endswith("*")}
    specs = read_table((ROOT / "README.md").read_text(), "HTTP")
    assert {cells[0].strip("`").partition(" ")[2] for cells in specs if "no token" in cells[1]} == public


def test_the_defaults_in_the_readme_are_those_of_the_code() -> None:
    fields = {name: info for settings in SETTINGS for name, info in variables(settings).items()}
    for name, default, _ in read_table((ROOT / "README.md").read_text(), "variable"):
        value = fields[name.strip("`")].get_default(call_default_factory=True)
        secret = getattr(value, "get_secret_value", lambda value=value: value)()
        assert default.strip("`") == ("" if secret is None else f"{secret}"), name


def test_the_numbers_of_decisions_have_no_gaps() -> None:
    numbers = [int(record.name[:4]) for record in RECORDS]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_every_decision_has_its_four_sections(record: Path) -> None:
    text = record.read_text()
    assert text.startswith(f"# {record.name[:4]}: ")
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == [
        "Context",
        "Decision",
        "Consequences",
        "How we would notice that it is wrong",
    ]


def test_the_readme_shows_small_media_of_the_suite_itself() -> None:
    shown = {path for path in (ROOT / "docs" / "media").iterdir() if f"docs/media/{path.name}" in README}
    assert {path.suffix for path in shown} == {".webp", ".mp3"}
    assert shown == set((ROOT / "docs" / "media").iterdir())
    assert sum(path.stat().st_size for path in shown) < 100_000
    for path in shown:
        assert path.read_bytes()[:4] in {b"RIFF", b"ID3\x04"} or path.read_bytes()[:2] == b"\xff\xfb"


def test_the_license_is_the_one_that_the_package_declares() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text()
