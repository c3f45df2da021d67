"""What the text-to-speech service reads from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.common.settings import ConfigurationError, load, variables
from services.tts.settings import TtsSettings

SECRET = "sk-live-4711"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    for variable in (*variables(TtsSettings), "ELEVEN_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TTS_PORT", "65536"),
        ("TTS_STALL_SECONDS", "0"),
        ("TTS_MAX_CONCURRENT_RPCS", "0"),
        ("TTS_DEFAULT_PROVIDER", "openai"),
        ("ELEVENLABS_BASE_URL", "api.elevenlabs.io"),
        ("ELEVENLABS_OPTIMIZE_STREAMING_LATENCY", "5"),
        ("TTS_REFLECTION", "perhaps"),
    ],
)
def test_a_wrong_value_names_its_variable(environment: pytest.MonkeyPatch, variable: str, value: str) -> None:
    environment.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=f"^{variable}: "):
        load(TtsSettings)


@pytest.mark.parametrize("variable", ["ELEVENLABS_API_KEY", "ELEVEN_API_KEY"])
def test_the_paid_provider_is_the_default_if_its_key_is_set(environment: pytest.MonkeyPatch, variable: str) -> None:
    assert load(TtsSettings).provider_by_default == "espeak"
    environment.setenv(variable, SECRET)
    assert load(TtsSettings).provider_by_default == "elevenlabs"
    environment.setenv("TTS_DEFAULT_PROVIDER", "espeak")
    assert load(TtsSettings).provider_by_default == "espeak"


def test_the_key_is_never_printed(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ELEVENLABS_API_KEY", SECRET)
    assert SECRET not in f"{load(TtsSettings)!r} {load(TtsSettings)}"


def test_every_setting_has_a_variable_and_a_description() -> None:
    for variable, info in variables(TtsSettings).items():
        assert variable == variable.upper()
        assert (info.description or "").endswith(".")
