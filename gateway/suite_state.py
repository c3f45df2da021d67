"""The state of the suite and its parts, as GET /readyz tells it, and a client that reads it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Self

PATH = "/readyz"
_MAX_ANSWER_BYTES = 64 * 1024


class PartState(Enum):
    """What a part of the suite reports about itself, in the plain words of all choices in JSON."""

    SERVING = "serving"
    """It accepts requests."""
    NOT_SERVING = "not_serving"
    """It is down, starting or stopping, or it did not answer pings."""
    NO_ANSWER = "no_answer"
    """It does not answer yet: it freezes or is overloaded."""


@dataclass(frozen=True, slots=True)
class SuiteState:
    """The state of the suite at one moment."""

    version: str
    """Version of the gateway, and of the suite if all processes come from one build."""
    parts: Mapping[str, PartState]
    """State of each part by its name, such as `tts`."""

    @property
    def is_ready(self) -> bool:
        """Whether all parts accept requests."""
        return all(state is PartState.SERVING for state in self.parts.values())

    def to_json(self) -> dict[str, object]:
        """Return the body of GET /readyz."""
        return {
            "ok": self.is_ready,
            "version": self.version,
            "parts": {name: state.value for name, state in self.parts.items()},
        }

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Parse the body of GET /readyz.

        Raises:
            ValueError: `text` is something else.
        """
        body = json.loads(text)
        if not isinstance(body, dict) or not isinstance(body.get("parts"), dict) or "version" not in body:
            raise ValueError("this is not the state of a media suite")
        return cls(str(body["version"]), {str(name): PartState(state) for name, state in body["parts"].items()})


def read_suite_state(url: str, timeout_seconds: float = 5.0) -> SuiteState:
    """Ask a running suite for its state; for `make doctor` and other commands, not for an event loop.

    Args:
        url: Address of the edge or of the gateway, such as `http://127.0.0.1:8080`.
        timeout_seconds: Longest wait for the answer.

    Raises:
        OSError: Nothing answers at `url` in time.
        ValueError: Something else than a media suite answers.
    """
    # A proxy for the internet has no route to a process of this host.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url.rstrip('/')}{PATH}", timeout=timeout_seconds) as answer:
            return SuiteState.from_json(answer.read(_MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with error:  # 503 has the same body
            return SuiteState.from_json(error.read(_MAX_ANSWER_BYTES))
