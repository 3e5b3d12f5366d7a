"""Answers to what the bench is there to find out, from its rows. Pure.

Is a network as good as the best iterative engine given the same time, or ten times as much; as
good as the untrained network with four times the steps; does any result collapse? "As good" means
on each measure within its tolerance of the best of those it is compared with, whichever that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .methods import UNTRAINED
from .records import Row
from .table import Getter, mean

R_TOLERANCE = 0.01  # relative
SSIM_TOLERANCE = 0.005
MORE_STEPS = 4  # of the untrained network


@dataclass(frozen=True)
class Measure:
    """A figure that decides; sign: -1 where less is better."""

    name: str
    get: Getter
    form: str
    sign: int

    def tolerance(self, best: float) -> float:
        return R_TOLERANCE * best if self.sign < 0 else SSIM_TOLERANCE


def _residual(row: Row) -> float | None:
    return row.figures.R if row.figures.R_held is None else row.figures.R_held


def _ssim(name: str) -> Getter:
    return lambda row: getattr(row.figures.fidelity, name) if row.figures.fidelity else None


MEASURES = (
    Measure("R", _residual, ".5f", -1),
    Measure("amp SSIM", _ssim("amp_ssim"), ".3f", 1),
    Measure("phase SSIM", _ssim("phase_ssim"), ".3f", 1),
)


@dataclass(frozen=True)
class Point:
    """One measure: the network's figure, the best of its rivals and whose that is."""

    measure: Measure
    own: float | None
    best: float
    whose: str

    @property
    def holds(self) -> bool:
        if self.own is None:
            return False
        slack = self.measure.tolerance(self.best)
        return self.measure.sign * (self.own - self.best) >= -slack

    def __str__(self) -> str:
        own = "none" if self.own is None else format(self.own, self.measure.form)
        return f"{self.measure.name} {own} ({self.whose}: {self.best:{self.measure.form}})"


@dataclass(frozen=True)
class Verdict:
    """A network against rivals on one scan."""

    scene: str
    right: bool
    points: tuple[Point, ...]

    @property
    def holds(self) -> bool:
        return all(point.holds for point in self.points)

    def __str__(self) -> str:
        if self.holds:
            return "yes"
        return "no: " + ", ".join(str(point) for point in self.points if not point.holds)


@dataclass(frozen=True)
class Question:
    """A network, and the labels of its rivals; `asked` as a head of a column."""

    asked: str
    network: str
    rivals: tuple[str, ...]

    def verdict(self, rows: Sequence[Row]) -> Verdict | None:
        """The answer on the rows of one scan; None where one side is missing."""
        own = [row for row in rows if row.label == self.network]
        rivals = [row for row in rows if row.label in self.rivals]
        if not own or not rivals:
            return None
        points = (_point(measure, own, rivals) for measure in MEASURES)
        return Verdict(own[0].scene, own[0].right, tuple(point for point in points if point))


def _point(measure: Measure, own: Sequence[Row], rivals: Sequence[Row]) -> Point | None:
    """None where no rival has the measure: the reference has no contrast there."""
    found = {
        label: mean(measure.get, [row for row in rivals if row.label == label])
        for label in dict.fromkeys(row.label for row in rivals)
    }
    known = {label: value for label, value in found.items() if value is not None}
    if not known:
        return None
    whose = max(known, key=lambda label: measure.sign * known[label])
    return Point(measure, mean(measure.get, own), known[whose], whose)


def questions(rows: Sequence[Row], network: str) -> Iterator[Question]:
    """What is asked of a network, as far as there are rivals."""
    for budget in sorted({row.budget for row in rows if row.budget is not None}):
        rivals = {row.label for row in rows if row.budget == budget}
        yield Question(f"engines, {budget:g}x its time", network, tuple(sorted(rivals)))
    name, _, steps = network.rpartition(":")
    if name != UNTRAINED and steps.isdigit():
        more = f"{UNTRAINED}:{MORE_STEPS * int(steps)}"
        if any(row.label == more for row in rows):
            yield Question(f"{UNTRAINED}, {MORE_STEPS}x its steps", network, (more,))


def summary(rows: Sequence[Row], network: str) -> Iterator[str]:
    """A table of answers and their counts, in Markdown."""
    asked = list(questions(rows, network))
    yield f"Is {network} at least as good as the best of ..."
    yield ""
    yield "| scan | " + " | ".join(question.asked for question in asked) + " |"
    yield "|---" * (len(asked) + 1) + "|"
    by_scene = {scene: [r for r in rows if r.scene == scene] for scene in _scenes(rows)}
    for scene, found in by_scene.items():
        answers = (question.verdict(found) for question in asked)
        wrong = "" if found[0].right else " (wrong on purpose)"
        cells = ("-" if answer is None else str(answer) for answer in answers)
        yield f"| {scene}{wrong} | " + " | ".join(cells) + " |"
    yield ""
    for question in asked:
        yield _count(question, [question.verdict(found) for found in by_scene.values()])
    yield _collapses(rows, network)


def _scenes(rows: Sequence[Row]) -> Sequence[str]:
    return list(dict.fromkeys(row.scene for row in rows))


def _count(question: Question, verdicts: Sequence[Verdict | None]) -> str:
    right = [verdict for verdict in verdicts if verdict and verdict.right]
    good = sum(verdict.holds for verdict in right)
    return (
        f"- {question.asked}: as good on {good} of {len(right)} scans with the right probe and "
        f"positions (R within {R_TOLERANCE:.0%}, SSIM within {SSIM_TOLERANCE})."
    )


def _collapses(rows: Sequence[Row], network: str) -> str:
    name = network.rpartition(":")[0]
    own = [row for row in rows if row.method.rpartition(":")[0] == name]
    bad = [row for row in own if row.figures.flat or row.figures.diverged]
    where = "".join(f"; {row.scene} #{row.seed} {row.label}" for row in bad)
    return f"- Flat or diverged results of {name}: {len(bad)} of {len(own)}{where}."
