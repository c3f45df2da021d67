"""`python -m tools.docs_reference`: write or check what is derived from settings and errors.

The files are docs/configuration.md, docs/errors.md and deploy/compose/environment.yml.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from deploy.local.ports import EDGE, EDGE_DEFAULT, INNER_RANGE, assign_ports
from deploy.local.processes import SUITE, list_ports
from deploy.local.settings import ROOT, LocalSettings
from deploy.nats.settings import NatsSettings
from gateway.envoy.settings import EdgeSettings
from gateway.settings import GatewaySettings
from services.common.errors import Reason
from services.common.settings import Settings, variables
from services.image.settings import ImageSettings
from services.jobs.settings import JobsSettings, WorkerSettings
from services.tts.settings import TtsSettings
from services.video.settings import VideoSettings
from tools.compose import ENVIRONMENT_FILE, build_environment

_PROCESSES: tuple[tuple[str, type[Settings]], ...] = (
    ("Edge (`python -m gateway.envoy`)", EdgeSettings),
    ("Gateway (`python -m gateway`)", GatewaySettings),
    ("Text to speech (`python -m services.tts`)", TtsSettings),
    ("Images (`python -m services.image`)", ImageSettings),
    ("Videos (`python -m services.video`)", VideoSettings),
    ("Jobs (`python -m services.jobs`)", JobsSettings),
    ("Workers (`python -m services.jobs.worker`)", WorkerSettings),
    ("Local NATS (`python -m deploy.nats`)", NatsSettings),
    ("Local suite (`make run`, `make demo`, `make token`)", LocalSettings),
)
_NOTICE = "<!-- Written by `python -m tools.docs_reference`; `make check` fails if it differs from the code. -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the documents, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs_reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="print a diff and exit with 1 if one is stale")
    parser.add_argument("--folder", type=Path, default=ROOT, help="root of the files (default: the repository)")
    options = parser.parse_args(arguments)
    documents = {
        options.folder / "docs/configuration.md": build_configuration(),
        options.folder / "docs/errors.md": build_errors(),
        options.folder / ENVIRONMENT_FILE: build_environment(),
    }
    if options.check:
        return _check_documents(documents)
    for file, text in documents.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return 0


def build_configuration() -> str:
    """Return docs/configuration.md."""
    common = variables(Settings)
    sections = [
        "# Configuration",
        _NOTICE,
        _CONFIGURATION_TEXT,
        "## Every process",
        _build_variables_table(common),
    ]
    for title, kind in _PROCESSES:
        own = {name: info for name, info in variables(kind).items() if not _is_same(info, common.get(name))}
        sections += [f"## {title}", _build_variables_table(own)]
    sections += [_PORTS_TEXT, _build_table(("Variable", "Port", "Purpose"), _build_port_rows())]
    return "\n\n".join(sections) + "\n"


def build_errors() -> str:
    """Return docs/errors.md."""
    rows = (
        (
            f"`{reason.name}`",
            reason.info.http_status,
            reason.info.grpc_code,
            _format_boolean(reason.info.retryable),
            reason.info.meaning,
        )
        for reason in Reason
    )
    sections = [
        "# Errors",
        _NOTICE,
        _ERRORS_TEXT,
        _build_table(("Reason", "HTTP", "gRPC", "Retry", "What happened, and what to do next"), rows),
    ]
    return "\n\n".join(sections) + "\n"


_CONFIGURATION_TEXT = """\
Every process reads the environment, then a file `.env` in its working directory. An empty variable counts as not set. \
An invalid value ends the process at its start, with exit code 78 and a message that names the variable and the \
remedy."""

_ERRORS_TEXT = """\
Every error has a reason from this table. Over HTTP it is `error.code` of the body \
`{"success": false, "error": {"code", "message", "details", "requestId"}}`; over gRPC it is `reason` of the \
`google.rpc.ErrorInfo` (domain `media`) in the status details. *Retry* is yes if the same request may succeed \
later; if the necessary wait is known, `Retry-After` or `google.rpc.RetryInfo` gives it."""

_PORTS_TEXT = f"""\
### Ports of the local suite

`{EDGE.variable}` alone moves the whole suite: it chooses a block of ports outside the range of outgoing \
connections, and each port whose own variable is not set has its place there. The table shows the block of \
{EDGE_DEFAULT}; `make run` and `make doctor` show the ports in use. Two suites on one machine therefore differ in \
`{EDGE.variable}` and `MEDIA_RUN_DIR` only. If a port is taken, the start ends with a message that names the port, \
the process that uses it, and its variable."""


def _is_same(info: FieldInfo, common: FieldInfo | None) -> bool:
    return common is not None and (info.default, info.description) == (common.default, common.description)


def _build_port_rows() -> Iterator[tuple[object, ...]]:
    ports = list_ports(SUITE)
    numbers = assign_ports(ports, {}, INNER_RANGE)
    for port in ports:
        yield f"`{port.variable}`", numbers[port.variable], f"{port.purpose}"


def _build_variables_table(fields: Mapping[str, FieldInfo]) -> str:
    rows = ((_format_names(name, info), _format_default(info), info.description or "") for name, info in fields.items())
    return _build_table(("Variable", "Default", "Meaning"), rows)


def _format_names(name: str, info: FieldInfo) -> str:
    alias = info.validation_alias
    names = [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [name]
    return " or ".join(f"`{each}`" for each in names)


def _format_default(info: FieldInfo) -> str:
    if info.default_factory is not None:
        # The result of a factory may differ between machines; the description explains the default.
        return "not set"
    value = info.default
    if value is PydanticUndefined:
        return "required"
    text = value.get_secret_value() if isinstance(value, SecretStr) else "" if value is None else str(value)
    if isinstance(value, Path):
        text = str(value.relative_to(ROOT)) if value.is_relative_to(ROOT) else text
    return f"`{text.lower() if isinstance(value, bool) else text}`" if text else "not set"


def _format_boolean(value: bool) -> str:
    return "yes" if value else "no"


def _build_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _check_documents(documents: Mapping[Path, str]) -> int:
    stale = 0
    for file, text in documents.items():
        found = file.read_text(encoding="utf-8") if file.exists() else ""
        if found == text:
            continue
        stale = 1
        name = file.name
        diff = difflib.unified_diff(
            found.splitlines(keepends=True),
            text.splitlines(keepends=True),
            f"{name} (on disk)",
            f"{name} (from the code)",
        )
        sys.stdout.writelines(diff)
    if stale:
        print("The documents do not match the code; run `python -m tools.docs_reference` to write them.")
    return stale


if __name__ == "__main__":
    sys.exit(main())
