"""The brand of the operator, for images that are to look like it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.image.prompt import PromptRequest


@dataclass(frozen=True, slots=True)
class Brand:
    """Colours and style."""

    colors: tuple[str, ...] = ()
    """Colours as #RRGGBB, most important first."""
    style: str = ""
    """Style in a few words."""

    def apply_to(self, request: PromptRequest) -> PromptRequest:
        """Return `request` with this brand where it names none of its own."""
        return replace(
            request, brand_colors=request.brand_colors or self.colors, brand_style=request.brand_style or self.style
        )
