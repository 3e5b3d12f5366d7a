"""One trial: a fault strikes a submit somewhere, the next submit must set everything right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hpc.errors import StateError
from hpc.ledger import read_entries
from tests.faults.machine import Machine, Strike
from tests.faults.place import Place

__all__ = ["Trial", "places_of", "undisturbed"]

NEVER = 10**9


@dataclass(frozen=True)
class Trial:
    """What is tried: a fault, where it strikes, and whether it lasts."""

    strike: Strike
    first: int
    lasting: bool = False
    reads: bool = False

    def __str__(self) -> str:
        words = (self.strike.__name__, "reads" if self.reads else "", "lasting" * self.lasting)
        return f"{' '.join(filter(None, words))} at {self.first}"

    def faults(self, folder: Path, expected: dict[str, str]) -> tuple[int, list[str]]:
        """How often it struck, and all that is wrong afterwards."""
        shutil.rmtree(folder, ignore_errors=True)
        place = Place(folder)
        machine = Machine(
            folder / "runs", self.strike, self.first, lasting=self.lasting, reads=self.reads
        )
        hit = place.submit(machine.start, "--parallel", "1")
        before = place.attempts("done")
        found = [] if hit.is_sound else [f"the submit that was hit: {hit}"]
        if machine.struck.value == 0:
            return 0, found
        return machine.struck.value, [*found, *_mended(place, before, expected)]


def undisturbed(folder: Path) -> dict[str, str]:
    """The object as it comes out where nothing fails."""
    place = Place(folder)
    done = place.submit()
    assert done.code == 0, done.text
    return place.result()


def places_of(folder: Path, *, reads: bool = False) -> int:
    """How many places a submit has at which a fault can strike."""
    machine = Machine(folder / "runs", lambda place, path: None, NEVER, reads=reads)
    done = Place(folder).submit(machine.start, "--parallel", "1")
    assert done.code == 0, done.text
    return machine.places.value


def _mended(place: Place, before: dict[str, int], expected: dict[str, str]) -> list[str]:
    """What is wrong once the same submit was given again."""
    again, nothing = place.submit(), place.submit()
    attempts = place.attempts()
    repeated = [name for name, number in before.items() if attempts.get(name) != number]
    found = {
        f"the next submit: {again}": again.code != 0,
        f"one more had something to do: {nothing}": "Nothing to do" not in nothing.text,
        f"done twice: {repeated}": bool(repeated),
        "another object": place.result() != expected,
        f"broken: {_broken(place.run.folder)}": bool(_broken(place.run.folder)),
    }
    return [text for text, wrong in found.items() if wrong]


def _broken(folder: Path) -> list[str]:
    """Records that cannot be read any more."""
    checks: dict[str, Callable[[Path], object]] = {
        "*.json": lambda path: json.loads(path.read_bytes()),
        "ledger/*.jsonl": read_entries,
    }
    return [
        str(path)
        for pattern, check in checks.items()
        for path in folder.rglob(pattern)
        if not path.name.startswith(".") and _fails(check, path)
    ]


def _fails(check: Callable[[Path], object], path: Path) -> bool:
    try:
        check(path)
    except (ValueError, StateError):
        return True
    return False
