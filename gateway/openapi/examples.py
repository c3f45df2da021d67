"""Example bodies of the operations that call an RPC; each succeeds on a suite that was just started, without keys."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.openapi.example_files import MP3, PNG

Examples = Mapping[str, Mapping[str, object]]
"""Bodies by title."""

IMAGE_URI = f"data:image/png;base64,{PNG}"
"""An image that needs no download."""

RPC_EXAMPLES: Mapping[str, Examples] = {
    "generateImage": {
        "A prompt": {"prompt": "A lighthouse at dusk"},
        "A look, a format and a key": {
            "prompt": "A lighthouse at dusk",
            "imageSize": "card",
            "quality": "high",
            "style": {"theme": "vintage", "artStyles": ["watercolor"]},
            "output": {"objectKey": "examples/lighthouse.jpg", "overwrite": True},
        },
    },
    "generateImageFast": {"A prompt": {"prompt": "A lighthouse in fog", "imageSize": "square"}},
    "transformImage": {"A tiny image": {"prompt": "In winter", "imageUrl": IMAGE_URI, "strength": 0.6}},
    "convertAlignment": {
        "To the raw form": {
            "alignment": {
                "characters": ["H", "i"],
                "character_start_times_seconds": [0.0, 0.1],
                "character_end_times_seconds": [0.1, 0.2],
            }
        },
        "To the normalized form": {
            "raw": {"characters": [{"char": "H", "start": 0.0, "end": 0.1}, {"char": "i", "start": 0.1, "end": 0.2}]}
        },
    },
    "cancelVideo": {"The first example of generateVideo": {"requestId": "example-video"}},
    "probeMedia": {"A tiny audio file": {"media": {"data": MP3}}},
    "createJob": {
        "An image and speech for a headline": {
            "headline": {"headline": "Town opens a new library", "artStyle": "watercolor"}
        },
        "A talking video": {
            "talkingVideo": {
                "video": {"imageUrl": IMAGE_URI, "prompt": "zoom in", "seconds": 1, "resolution": "512p"},
                "narration": {"text": "Welcome to the library!"},
                "captions": "track",
            }
        },
    },
    "batchCreateJobs": {
        "Two headlines": {
            "requests": [
                {"headline": {"headline": "Town opens a new library"}},
                {"headline": {"headline": "Library lends its thousandth book"}},
            ]
        }
    },
    "cancelJob": {"A job": {}},
    "retryJob": {"A failed job": {}},
    "rotateWebhookSecret": {"A new secret": {}},
}
"""The examples by the name of the operation."""
