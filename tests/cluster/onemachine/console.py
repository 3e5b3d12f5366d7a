"""What the user is told: a line on stderr, never a traceback."""

from __future__ import annotations

import sys


class Failure(Exception):
    """Something the user can mend; the text says how."""


def say(text: object) -> None:
    print(f"onemachine: {text}", file=sys.stderr, flush=True)
