"""Requests that newcomers send first, in the words of the interfaces that they know, with what each leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Works:
    """A request that succeeds."""

    path: str
    body: Body
    status: int = 200
    contains: Body = field(default_factory=dict)
    """Fields of the JSON response."""
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Hinted:
    """A request with a field that the suite calls otherwise: the error names what is right."""

    path: str
    body: Body
    hints: Body
    """Part of the description of each wrong field."""


IMAGE, FAST, TRANSFORM = "/api/image/generate", "/api/image/generate-fast", "/api/image/generate/transform"
SPEECH, JOBS = "/api/speech", "/api/jobs"
GOAL = "A couple with enough savings to retire"
PORTFOLIO = "Investments that grow"
NEWS = "Town opens a new library"
PIXEL = "data:image/png;base64,"

WORKS: Mapping[str, Works] = {
    "speech by name, with all settings": Works(
        SPEECH,
        {
            "text": "Shall we begin?",
            "voice": "Aria",
            "stability": 0.5,
            "similarity_boost": 0.75,
            "speed": 1.0,
            "style": 0,
            "model_id": "eleven_multilingual_v2",
            "use_cache": True,
        },
        content_type="audio/mpeg",
    ),
    "speech by the id of a voice": Works(
        SPEECH,
        {
            "text": "Hello, everyone!",
            "voiceId": "fO844Om1VZLpw8IpZj3T",
            "modelId": "eleven_multilingual_v2",
            "stability": 0.4,
            "similarityBoost": 0.8,
            "style": 0.1,
            "useSpeakerBoost": True,
        },
        content_type="audio/mpeg",
    ),
    "an image with all settings": Works(
        IMAGE,
        {
            "prompt": "A harbour in the morning",
            "negative_prompt": "fog",
            "image_size": "landscape_4_3",
            "num_inference_steps": 28,
            "seed": None,
            "guidance_scale": 3.5,
            "enable_safety_checker": True,
            "use_cache": True,
        },
        contains={"success": True, "width": 1024, "height": 768},
    ),
    "an image in camel case": Works(
        IMAGE, {"prompt": "A harbour at night", "imageSize": "square"}, contains={"width": 512, "height": 512}
    ),
    "an image in few steps": Works(
        FAST, {"prompt": "A harbour", "image_size": "portrait_4_3", "num_inference_steps": 4, "use_cache": True}
    ),
    "the quick start with a key": Works(
        IMAGE,
        {"prompt": GOAL, "object_key": "goals/retirement/user_123.png"},
        contains={"key": "users/tests/goals/retirement/user_123.png", "contentType": "image/png"},
    ),
    "a key in its place": Works(
        IMAGE,
        {"prompt": GOAL, "output": {"objectKey": "goals/7/buy_a_house.png", "metadata": {"goal_id": "7"}}},
        contains={"key": "users/tests/goals/7/buy_a_house.png", "contentType": "image/png"},
    ),
    "a look in plain words": Works(
        IMAGE,
        {
            "prompt": PORTFOLIO,
            "image_size": "CARD",
            "quality": "high",
            "style": {"theme": "professional", "brand_colors": ["#0066CC", "#00AA66"]},
            "output": {"object_key": "portfolios/growth_visual.png", "format": "png", "compression_level": 9},
        },
        contains={"width": 512, "contentType": "image/png", "key": "users/tests/portfolios/growth_visual.png"},
    ),
    "a size of one's own as jpg": Works(
        IMAGE,
        {
            "prompt": PORTFOLIO,
            "image_size": "custom",
            "width": 1600,
            "height": 900,
            "output": {"format": "jpg", "encoder_quality": 90},
        },
        contains={"width": 1600, "height": 900, "contentType": "image/jpeg"},
    ),
    "without words of finance": Works(
        IMAGE,
        {
            "prompt": "Sunset behind mountains",
            "style": {"enhance_for_finance": False},
            "output": {"object_key": "generic/sunset.png"},
        },
        contains={"key": "users/tests/generic/sunset.png"},
    ),
    "an image and speech for a headline": Works(
        JOBS,
        {
            "headline": {
                "headline": NEWS,
                "artStyle": "watercolor",
                "styleGuidelines": ["no text"],
                "maxLength": 400,
                "narration": {"voiceId": "Aria"},
            }
        },
        contains={"kind": "headline"},
    ),
    "a video of an image": Works(
        JOBS,
        {"animate": {"video": {"imageUrl": "https://example.com/cat.jpg", "prompt": "The cat nods", "seconds": 6}}},
        contains={"kind": "animate"},
    ),
}
"""Requests that work on a fresh suite, by what they ask for."""

HINTED: Mapping[str, Hinted] = {
    "a look beside the prompt": Hinted(
        IMAGE,
        {
            "prompt": PORTFOLIO,
            "size": "card",
            "quality": "high",
            "theme": "professional",
            "brand_colors": ["#0066CC"],
            "format": "png",
            "compression_level": 9,
        },
        {
            "size": "imageSize",
            "theme": "style.theme",
            "brandColors": "style.brandColors",
            "format": "output.format",
            "compressionLevel": "output.compressionLevel",
        },
    ),
    "a size of one's own": Hinted(
        IMAGE,
        {"prompt": PORTFOLIO, "custom_width": 1600, "custom_height": 900, "jpeg_quality": 90},
        {"customWidth": "width", "customHeight": "height", "jpegQuality": "output.encoderQuality"},
    ),
    "finance and metadata beside the prompt": Hinted(
        IMAGE,
        {"prompt": GOAL, "enhanceForFinance": False, "metadata": {"goal_id": "7"}},
        {"enhanceForFinance": "style.enhanceForFinance", "metadata": "output.metadata"},
    ),
    "a configuration object": Hinted(IMAGE, {"prompt": GOAL, "config": {}}, {"config": "style or output"}),
    "an art style as text, and a resolution": Hinted(
        IMAGE,
        {"prompt": NEWS, "style": "watercolor", "resolution": {"width": 800, "height": 600}, "format": "webp"},
        {"style": "artStyles", "resolution": "imageSize", "format": "output.format"},
    ),
    "a headline as a prompt": Hinted(
        IMAGE,
        {"headline": NEWS, "style": "comic", "constraints": {"maxLength": 200, "styleGuidelines": []}},
        {"headline": "prompt", "constraints": "style.maxLength or style.styleGuidelines"},
    ),
    "a headline as text": Hinted(
        JOBS,
        {"headline": NEWS, "artStyle": "comic", "voiceId": "Aria"},
        {"headline": "artStyle", "artStyle": "headline.artStyle", "voiceId": "headline.narration.voice"},
    ),
    "speech in a container format": Hinted(
        SPEECH, {"text": "Hello!", "voiceId": "Aria", "format": "mp3"}, {"format": "outputFormat"}
    ),
    "an image in place of a key": Hinted(TRANSFORM, {"prompt": "In snow", "image": PIXEL}, {"image": "imageUrl"}),
}
"""Requests with a name that the suite does not use, by what they ask for."""
