"""Build the final prompt from the caller's words, a theme, styles and a brand: pure functions over tables."""

from __future__ import annotations

import colorsys
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.common.errors import invalid

VERSION = "1"
"""Incremented when the same request would give another prompt."""
MAX_PROMPT_CHARACTERS = 5000

THEMES: Mapping[str, str] = {
    "realistic": "photorealistic, natural light, fine detail",
    "professional": "clean corporate look, balanced composition, business setting",
    "illustration": "hand-drawn illustration, clear outlines, flat shading",
    "abstract": "abstract composition of shapes and ideas rather than things",
    "minimalist": "minimalist, few elements, generous empty space",
    "futuristic": "futuristic, sleek modern technology, luminous accents",
    "infographic": "infographic style, data made visible in simple charts and icons",
    "vintage": "vintage look, faded colors, film grain of an older time",
}
"""The words that each theme adds."""

ART_STYLES: Mapping[str, str] = {
    "anime": "anime art with expressive line work",
    "art deco": "art deco geometry with gilded lines",
    "charcoal": "charcoal drawing on rough paper",
    "comic": "comic book art with bold ink and halftone dots",
    "cubism": "cubist painting of broken planes",
    "digital art": "polished digital art",
    "impressionism": "impressionist painting with visible brush strokes",
    "isometric": "isometric 3D rendering",
    "low poly": "low poly 3D rendering",
    "oil painting": "oil painting on canvas with rich texture",
    "pencil sketch": "pencil sketch with cross-hatching",
    "pixel art": "pixel art with a limited palette",
    "pop art": "pop art with flat saturated colors",
    "stained glass": "stained glass with dark leading",
    "surrealism": "surrealist painting, dreamlike and precise",
    "ukiyo-e": "ukiyo-e woodblock print",
    "watercolor": "watercolor with soft washes and paper texture",
}
"""Art styles with tested words; other styles are added as the caller wrote them."""

FINANCE = (
    "suited to a financial application: trustworthy, optimistic, a sense of growth and stability, no numbers or logos"
)
"""The words that `enhance_for_finance` adds."""

TEMPLATES: Mapping[str, str] = {
    "headline": "An editorial image that tells this news at a glance, without any words in it: $subject",
    "goal": "A person who reaches this goal: $subject. The moment: $moment",
    "portfolio": "An image of an investment portfolio that stands for $subject, with a mood of $mood",
}
"""Prompts with named fields; the prompt of the request becomes the field `subject`."""

_COLOR_NAMES: tuple[tuple[float, str], ...] = (
    (0.045, "red"),
    (0.11, "orange"),
    (0.18, "yellow"),
    (0.44, "green"),
    (0.54, "cyan"),
    (0.72, "blue"),
    (0.82, "purple"),
    (0.95, "pink"),
    (1.01, "red"),
)
"""Names of hues, each with the upper end of its range on the colour circle (0 to 1)."""
_DARK, _LIGHT, _GRAY = 0.12, 0.9, 0.12


@dataclass(frozen=True, slots=True)
class PromptRequest:
    """The parts of a prompt; empty parts add nothing."""

    prompt: str
    """The caller's words, or the field `subject` of the template."""
    theme: str = ""
    """A name in THEMES."""
    art_styles: tuple[str, ...] = ()
    """Names in ART_STYLES or other words, most important first."""
    brand_colors: tuple[str, ...] = ()
    """Colours as #RRGGBB, most important first."""
    brand_style: str = ""
    """Style of the brand in a few words."""
    enhance_for_finance: bool = False
    """Whether to add FINANCE."""
    style_guidelines: tuple[str, ...] = ()
    """Rules for the look, each added as it is."""
    max_length: int = MAX_PROMPT_CHARACTERS
    """Longest final prompt in code points, 1 or more."""
    template: str = ""
    """A name in TEMPLATES."""
    template_fields: Mapping[str, str] = field(default_factory=dict)
    """The fields of the template except `subject`."""


@dataclass(frozen=True, slots=True)
class Brand:
    """The operator's brand."""

    colors: tuple[str, ...] = ()
    """Colours as #RRGGBB, most important first."""
    style: str = ""
    """Style in a few words."""

    def apply_to(self, request: PromptRequest) -> PromptRequest:
        """Return `request` with the colours and the style of this brand where it has none."""
        return replace(
            request, brand_colors=request.brand_colors or self.colors, brand_style=request.brand_style or self.style
        )


@dataclass(frozen=True, slots=True)
class FinalPrompt:
    """The prompt that is sent to the provider, and how it was built."""

    text: str
    """The words; at most `max_length` code points."""
    style: str
    """Names of the requested theme and art styles, joined by commas."""
    version: str
    """VERSION of the tables that built it."""
    shortened: bool
    """Whether words were left out to stay within `max_length`."""


def compose(request: PromptRequest) -> FinalPrompt:
    """Return the final prompt: the caller's words, then the additions in a fixed order.

    A prompt that is too long loses whole additions from the end first, and the caller's own words last.

    Raises:
        MediaError: VALIDATION_ERROR, a theme or a template is unknown, or a template field is unknown or missing.
    """
    subject = _build_subject(request)
    text = _shorten(subject, request.max_length)
    shortened = text != subject
    for addition in _build_additions(request):
        longer = f"{text.rstrip(' .,;')}. {addition}"
        if shortened or len(longer) > request.max_length:
            shortened = True
            break
        text = longer
    style = ", ".join(name for name in (request.theme, *request.art_styles) if name)
    return FinalPrompt(text, style, VERSION, shortened)


def _build_subject(request: PromptRequest) -> str:
    words = " ".join(request.prompt.split())
    if not request.template:
        if request.template_fields:
            raise invalid("style.template_fields", "must be set together with style.template")
        return words
    template = TEMPLATES.get(request.template)
    if template is None:
        raise invalid("style.template", f"must be one of {', '.join(TEMPLATES)}")
    expected = set(list_fields(request.template)) - {"subject"}
    received = set(request.template_fields)
    if expected != received:
        named = ", ".join(sorted(expected)) or "none"
        raise invalid("style.template_fields", f"must be exactly the fields of {request.template}: {named}")
    values = {name: " ".join(value.split()) for name, value in request.template_fields.items()}
    return string.Template(template).substitute(values, subject=words)


def list_fields(template: str) -> Sequence[str]:
    """Return the names of the fields of a template, `subject` included, in their request."""
    return string.Template(TEMPLATES[template]).get_identifiers()


def _build_additions(request: PromptRequest) -> list[str]:
    """Return the additions to the caller's words, most important first."""
    if request.theme and request.theme not in THEMES:
        raise invalid("style.theme", f"must be one of {', '.join(THEMES)}")
    found = [
        f"Style: {THEMES[request.theme]}" if request.theme else "",
        _describe_art_styles(request.art_styles),
        f"Brand style: {request.brand_style}" if request.brand_style else "",
        f"Colors: {_join_words([_name_color(color) for color in request.brand_colors])} prevail"
        if request.brand_colors
        else "",
        FINANCE if request.enhance_for_finance else "",
        *(" ".join(guideline.split()) for guideline in request.style_guidelines),
    ]
    return [addition for addition in found if addition]


def _describe_art_styles(styles: Sequence[str]) -> str:
    if not styles:
        return ""
    words = [ART_STYLES.get(style.lower(), style) for style in styles]
    return f"Art style: {words[0]}" if len(words) == 1 else f"Art style: a blend of {_join_words(words)}"


def _join_words(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _name_color(color: str) -> str:
    """Return `#0066CC` as `blue (#0066CC)`: models understand words better than numbers."""
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    if lightness < _DARK:
        name = "black"
    elif lightness > _LIGHT:
        name = "white"
    elif saturation < _GRAY:
        name = "gray"
    else:
        name = next(name for upto, name in _COLOR_NAMES if hue < upto)
    return f"{name} ({color.upper()})"


def _shorten(text: str, longest: int) -> str:
    """Return as many words of `text` as fit, or the beginning of the first word if none fits."""
    if len(text) <= longest:
        return text
    head, _, _ = text[: longest + 1].rpartition(" ")
    return head.rstrip(" ,;:-") or text[:longest]
