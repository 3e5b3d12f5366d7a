"""`python -m ptychopinn_batch.client`: bring the reconstructor into the Ptychodus beside it."""

from __future__ import annotations

import argparse
import sys

from ptychopinn_batch.client.registration import register, unregister
from ptychopinn_batch.client.shim import FOLDER

ACTIONS = {
    "register": lambda: f"Ptychodus has it from its next start on: {register()}",
    "unregister": lambda: f"Removed: {unregister()}",
    "shim": lambda: str(FOLDER),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ptychopinn_batch.client",
        description="The reconstructor of ptychopinn-batch in Ptychodus.",
        epilog="register, unregister: in the Ptychodus of this environment. shim: print the folder "
        "to put on PYTHONPATH, where Ptychodus must stay as it is.",
    )
    parser.add_argument("action", choices=ACTIONS)
    action = parser.parse_args().action
    try:
        print(ACTIONS[action]())
    except (RuntimeError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


sys.exit(main())
