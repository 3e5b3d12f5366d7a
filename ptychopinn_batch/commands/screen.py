"""Pictures in the terminal: by its own graphics where it has them, else by coloured half blocks."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ptychopinn_batch.report.live import optional

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import Console

__all__ = ["beside_each_other", "show_pictures", "terminal"]

HEIGHT = 0.7  # of the terminal's that a row of pictures takes at most
GAP = 0.03  # between pictures, of their height
UNSEEN = (153, 153, 153)


def terminal() -> Console | None:
    """The terminal, if there is one that can show a picture."""
    from rich.console import Console

    # What it can do is found out by asking it, and the answer comes from its keyboard.
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    console = Console()
    plain = console.is_dumb_terminal or console.color_system is None
    return None if plain or _is_nothing() else console


def _is_nothing() -> bool:
    """Whether the terminal is of 0 x 0 characters, as those are that scripts make."""
    try:
        return not all(os.get_terminal_size(sys.stdout.fileno()))
    except (OSError, ValueError):
        return False


def show_pictures(console: Console, pictures: Sequence[Image]) -> None:
    """Show pictures in a row. What goes wrong with them is told, and is of no consequence."""
    with optional("pictures in the terminal"), warnings.catch_warnings():
        # How it finds out the terminal's size, and which of Pillow's old functions it calls, is
        # nothing that a user could mend.
        logging.getLogger("textual_image").setLevel(logging.ERROR)
        warnings.simplefilter("ignore", DeprecationWarning)
        from textual_image.renderable import Image as Shown

        shown = Shown(beside_each_other(pictures), width="auto", height="auto")
        console.print(shown, height=max(4, int(HEIGHT * console.height)))


def beside_each_other(pictures: Sequence[Image]) -> Image:
    """One picture of several, all of the height of the highest; grey where they are transparent."""
    from PIL import Image

    height = max(picture.height for picture in pictures)
    scaled = [_of_height(picture.convert("RGBA"), height) for picture in pictures]
    gap = max(1, round(GAP * height))
    width = sum(picture.width for picture in scaled) + gap * (len(scaled) - 1)
    whole, left = Image.new("RGB", (width, height)), 0
    for picture in scaled:
        whole.paste(Image.new("RGB", picture.size, UNSEEN), (left, 0))
        whole.paste(picture, (left, 0), picture)
        left += picture.width + gap
    return whole


def _of_height(picture: Image, height: int) -> Image:
    if picture.height == height:
        return picture
    return picture.resize((max(1, round(picture.width * height / picture.height)), height))
