"""Settings from the environment; an error names the variable and the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import AliasChoices, Field, SecretStr, TypeAdapter

from services.common.settings import (
    EXIT_CONFIGURATION,
    ConfigurationError,
    Settings,
    accept_base_url,
    list_names,
    load,
    refuse_to_start,
    variables,
)

SECRET = "sk-live-4711"


class Probe(Settings):
    """Settings with one field of each sort."""

    port: int = Field(50051, ge=0, le=65535, validation_alias="PROBE_PORT", description="Port of the probe.")
    name: str = Field(validation_alias="PROBE_NAME", description="Name of the probe.")
    api_key: SecretStr = Field(
        SecretStr("none"),
        max_length=20,
        validation_alias=AliasChoices("PROBE_API_KEY", "OLD_API_KEY"),
        description="Key of the probe.",
    )


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    for name in ("PROBE_PORT", "PROBE_API_KEY", "OLD_API_KEY", "MEDIA_LOG_LEVEL", "MEDIA_LOG_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROBE_NAME", "probe")
    return monkeypatch


def test_an_unset_variable_has_its_default() -> None:
    settings = load(Probe)
    assert (settings.port, settings.name, settings.log_level, settings.log_format) == (50051, "probe", "INFO", "json")


def test_a_set_variable_is_used(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PROBE_PORT", "50099")
    environment.setenv("MEDIA_LOG_FORMAT", "console")
    assert (load(Probe).port, load(Probe).log_format) == (50099, "console")


def test_an_empty_variable_counts_as_not_set(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PROBE_PORT", "")
    assert load(Probe).port == 50051


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("PROBE_PORT", "70000", "65535"),
        ("PROBE_PORT", "http", "valid integer"),
        ("MEDIA_LOG_LEVEL", "chatty", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ],
)
def test_a_wrong_value_is_reported_with_variable_remedy_and_default(
    environment: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    environment.setenv(variable, value)
    with pytest.raises(ConfigurationError) as caught:
        load(Probe)
    message = str(caught.value)
    assert message.startswith(f"{variable}: ")
    assert says in message
    assert "Default: " in message
    assert "docs/configuration.md" in message


def test_a_missing_variable_is_named_with_its_description(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("PROBE_NAME")
    with pytest.raises(ConfigurationError, match=r"^PROBE_NAME: Field required\. Name of the probe\."):
        load(Probe)


def test_all_wrong_values_are_reported_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PROBE_PORT", "-1")
    environment.delenv("PROBE_NAME")
    with pytest.raises(ConfigurationError) as caught:
        load(Probe)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["PROBE_PORT", "PROBE_NAME"]


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [("", SECRET, SECRET), (SECRET, "older", SECRET), (None, SECRET, SECRET), (None, None, "none")],
)
def test_an_alias_is_used_where_the_first_name_is_not_set(
    environment: pytest.MonkeyPatch, new: str | None, old: str | None, expected: str
) -> None:
    for name, value in (("PROBE_API_KEY", new), ("OLD_API_KEY", old)):
        if value is not None:
            environment.setenv(name, value)
    assert load(Probe).api_key.get_secret_value() == expected


def test_a_secret_is_never_printed(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PROBE_API_KEY", SECRET)
    settings = load(Probe)
    for shown in (str(settings), repr(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert SECRET not in shown


def test_a_wrong_secret_is_not_quoted(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OLD_API_KEY", SECRET * 2)
    with pytest.raises(ConfigurationError) as caught:
        load(Probe)
    assert str(caught.value).startswith("PROBE_API_KEY: ")
    assert "4711" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_is_read_and_the_environment_overrides_it(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PROBE_PORT=1\nMEDIA_LOG_LEVEL=DEBUG\nSOMETHING_ELSE=1\n")
    environment.setenv("PROBE_PORT", "2")
    assert (load(Probe).port, load(Probe).log_level) == (2, "DEBUG")


def test_every_field_is_listed_by_its_variable() -> None:
    assert list(variables(Probe)) == [
        "MEDIA_LOG_LEVEL",
        "MEDIA_LOG_FORMAT",
        "PROBE_PORT",
        "PROBE_NAME",
        "PROBE_API_KEY",
    ]


def test_settings_are_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(load(Probe), "port", 1)  # noqa: B010 - the type checker knows what is being tested


def test_a_refusal_goes_to_standard_error_with_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        refuse_to_start(ConfigurationError("PROBE_PORT: no"))
    assert caught.value.code == EXIT_CONFIGURATION == 78
    assert capsys.readouterr().err == "PROBE_PORT: no\n"


@pytest.mark.parametrize(
    ("url", "without", "with_path"),
    [
        ("https://api.example", "https://api.example", "https://api.example/v1"),
        ("https://api.example/", "https://api.example", "https://api.example/v1"),
        ("https://api.example/v1", "https://api.example", "https://api.example/v1"),
        ("https://api.example/v1/", "https://api.example", "https://api.example/v1"),
        ("https://proxy.example/eleven/v1", "https://proxy.example/eleven", "https://proxy.example/eleven/v1"),
        ("https://proxy.example/own", "https://proxy.example/own", "https://proxy.example/own"),
    ],
)
def test_a_base_url_may_have_or_lack_the_version(url: str, without: str, with_path: str) -> None:
    assert TypeAdapter(Annotated[str, accept_base_url("/v1")]).validate_python(url) == without
    assert TypeAdapter(Annotated[str, accept_base_url(path="/v1")]).validate_python(url) == with_path


def test_the_names_of_settings_include_their_other_names() -> None:
    assert list_names(Probe) >= {"PROBE_PORT", "PROBE_API_KEY", "OLD_API_KEY", "MEDIA_LOG_LEVEL"}
