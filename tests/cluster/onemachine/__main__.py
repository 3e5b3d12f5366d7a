"""Runs the command line, as `python -m onemachine` and as `python path/to/onemachine`."""

import sys
from pathlib import Path

if not __package__:  # run as a folder: it stands on sys.path itself, where its parent belongs
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from onemachine.cli import main

sys.exit(main(sys.argv[1:]))
