"""What is compared, and how it is written on the command line. Pure.

shipped:16                        the shipped network, 16 steps
untrained:64                      one that learned nothing: the classical simultaneous update
runs/a/models/default:16          a packaged model; weights alone: FILE.pth:16
shipped:16+modes=3                probe, modes or positions refined before, as `refine` in a spec
cnn:60                            PtychoPINN's autoencoder, trained on the scan for 60 seconds
lsqml, rpie, epie, dm             engines of pty-chi, with every time budget
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import yaml
from pydantic import ValidationError

from hpc.errors import UserError
from hpc.record import explain
from ptychopinn_batch.jobspec import Infer, Refine

UNTRAINED, SHIPPED, CNN = "untrained", "shipped", "cnn"
ENGINES = ("lsqml", "rpie", "dm", "epie")
DEFAULT = ("shipped:8", "shipped:16", "shipped:32", "untrained:64", "lsqml", "rpie", "dm")
WRITTEN = "Write NETWORK:STEPS, cnn:SECONDS or an engine: " + ", ".join(ENGINES)


@dataclass(frozen=True)
class NetworkMethod:
    """A network by name, package folder or file of weights, and how it is used."""

    label: str
    network: str
    infer: Infer
    refine: Refine | None = None


@dataclass(frozen=True)
class CnnMethod:
    """The autoencoder, trained on the scan itself for about so long."""

    label: str
    seconds: float


@dataclass(frozen=True)
class EngineMethod:
    """An iterative engine, run for each of the time budgets."""

    label: str
    engine: str


Method: TypeAlias = NetworkMethod | CnnMethod | EngineMethod


def parse_method(text: str) -> Method:
    """A method as the module says; UserError tells what is wrong with it."""
    if text in ENGINES:
        return EngineMethod(text, text)
    use, *extras = text.split("+")
    name, separator, count = use.rpartition(":")
    if not separator or not name:
        raise UserError(f"{text!r} is no method", where="--methods", mend=WRITTEN)
    if name == CNN and not extras:
        return CnnMethod(text, _positive(count, text))
    return NetworkMethod(text, name, _infer(count, text), _refine(extras, text))


def _positive(number: str, text: str) -> float:
    try:
        seconds = float(number)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise UserError(f"{text!r} has no time", where="--methods", mend=WRITTEN)
    return seconds


def _infer(steps: str, text: str) -> Infer:
    return _checked(Infer, {"steps": yaml.safe_load(steps)}, text)


def _refine(extras: list[str], text: str) -> Refine | None:
    settings = {key: yaml.safe_load(value) for key, _, value in (e.partition("=") for e in extras)}
    return _checked(Refine, settings, text) if extras else None


S = TypeVar("S", Infer, Refine)


def _checked(section: type[S], settings: dict[str, Any], text: str) -> S:
    try:
        return section.model_validate(settings)
    except ValidationError as error:
        raise UserError(f"{text!r}: {explain(error)}", where="--methods", mend=WRITTEN) from error
