"""Serves text to speech: `python -m services.tts --help`."""

from services.common.runtime import run
from services.tts.server import main
from services.tts.settings import TtsSettings

if __name__ == "__main__":
    run("services.tts", "Serves text to speech over gRPC.", TtsSettings, main)
