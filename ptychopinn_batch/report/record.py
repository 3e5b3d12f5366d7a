"""`report.json`: what a result is shown with. Written beside it once, read by every report."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hpc.record import Record

__all__ = ["Base64", "Curve", "Panel", "ResultReport", "Scale"]

Base64 = str
Colours = Literal["gray", "viridis", "twilight", "magma", "inferno"]


class Scale(Record):
    """A bar of a nice length: its share of the picture's width, and the length in words."""

    share: float = Field(gt=0, le=1)
    text: str


class Panel(Record):
    """A picture of numbers as WebP images in base64: `full`, and `compact` where room is short.

    ends: what the first and the last colour mean, in words; alt: the picture in a sentence.
    """

    name: str
    title: str
    alt: str
    unit: str
    colours: Colours
    ends: tuple[str, str] = Field(strict=False)
    size: tuple[int, int] = Field(strict=False)  # of `full`, width and height in pixels
    scale: Scale | None
    full: Base64
    compact: Base64


class Curve(Record):
    """A quantity against another: points (x, y), ascending in x."""

    name: str
    x_label: str
    y_label: str
    points: tuple[tuple[float, float], ...] = Field(strict=False)


class ResultReport(Record):
    """All that is shown of a result but its figures; key: of the task that finished it."""

    schema_version: Literal[1] = 1
    key: str
    thumbnail: Base64
    panels: tuple[Panel, ...] = Field(strict=False)
    curves: tuple[Curve, ...] = Field(strict=False)
