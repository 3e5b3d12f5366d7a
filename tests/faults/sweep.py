"""Strikes a small run at every single place, and counts what came of it.

    python -m tests.faults.sweep kill tear ENOSPC EIO EACCES EDQUOT ESTALE

Each fault strikes at each place of the run in turn (`--every 10`: at every tenth), and every time
the same submit must set all right: nothing done is done again, nothing is lost, no traceback. An
error that is not a kill strikes once, and, with `--lasting`, at every place from there on. Exit
status 1 where anything was found.
"""

from __future__ import annotations

import argparse
import errno
import sys
import tempfile
from pathlib import Path

from tests.faults.machine import Strike, kill, refuse, tear
from tests.faults.place import load_all
from tests.faults.trial import Trial, places_of, undisturbed


def strike_of(name: str) -> Strike:
    return {"kill": kill, "tear": tear}.get(name) or refuse(getattr(errno, name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("faults", nargs="+", help="kill, tear, or the name of an error: ENOSPC")
    parser.add_argument("--every", type=int, default=1, help="strike at every so-manieth place")
    parser.add_argument("--begin", type=int, default=1, help="the first place")
    parser.add_argument("--lasting", action="store_true", help="and at all places behind it")
    parser.add_argument("--reads", action="store_true", help="reading is a place, too")
    options = parser.parse_args()
    load_all()
    with tempfile.TemporaryDirectory() as name:
        return sum(_sweep(fault, Path(name), options) for fault in options.faults) > 0


def _sweep(fault: str, folder: Path, options: argparse.Namespace) -> int:
    """Print what one fault came to; the number of trials in which something was wrong."""
    expected = undisturbed(folder / "undisturbed")
    number = places_of(folder / f"counted for {fault}", reads=options.reads)
    trials = strikes = wrong = 0
    for place in range(options.begin, number + 1, options.every):
        trial = Trial(strike_of(fault), place, lasting=options.lasting, reads=options.reads)
        struck, found = trial.faults(folder / "trial", expected)
        trials, strikes, wrong = trials + 1, strikes + struck, wrong + bool(found)
        for text in found:
            print(f"{trial}: {text}", flush=True)
        if trials % 50 == 0:
            print(f"... {trials} trials", file=sys.stderr, flush=True)
    words = f"{fault}{' lasting' if options.lasting else ''}{' and reads' if options.reads else ''}"
    print(f"{words}: {number} places, {trials} trials, {strikes} strikes, {wrong} not survived",
          flush=True)  # fmt: skip
    return wrong


if __name__ == "__main__":
    sys.exit(main())
