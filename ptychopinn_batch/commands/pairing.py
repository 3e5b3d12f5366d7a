"""Which result of one run stands beside which of another. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ptychopinn_batch.results.run import RunResult

__all__ = ["Paired", "Pairing", "pair_up"]


@dataclass(frozen=True)
class Paired:
    """Two results of the same scan and, where both runs have several, of the same variant."""

    a: RunResult
    b: RunResult

    @property
    def name(self) -> str:
        """What both are called, without their runs."""
        one, other = (f"{each.variant}/{each.scan}" for each in (self.a, self.b))
        return one if one == other else f"{one} - {other}"


@dataclass(frozen=True)
class Pairing:
    """Pairs in the order of the first run, and what stands alone in either."""

    pairs: tuple[Paired, ...]
    only_a: tuple[RunResult, ...]
    only_b: tuple[RunResult, ...]


def pair_up(a: Sequence[RunResult], b: Sequence[RunResult]) -> Pairing:
    """Results of one variant each go by their scans alone, and single ones belong together."""
    one_each = len({each.variant for each in a}) == 1 == len({each.variant for each in b})

    def key(result: RunResult) -> tuple[str, ...]:
        if len(a) == 1 == len(b):
            return ()
        return (result.scan,) if one_each else (result.variant, result.scan)

    there = {key(result): result for result in b}
    pairs = tuple(Paired(each, there[key(each)]) for each in a if key(each) in there)
    taken = {key(pair.a) for pair in pairs}
    return Pairing(
        pairs,
        tuple(each for each in a if key(each) not in taken),
        tuple(each for each in b if key(each) not in taken),
    )
