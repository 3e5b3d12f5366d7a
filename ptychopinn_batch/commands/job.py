"""From a spec's file to a run with its tasks: what validate, plan and submit have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from hpc.paths import RunPaths
from hpc.task import Task
from ptychopinn_batch.commands.options import runs_option
from ptychopinn_batch.gather import gather
from ptychopinn_batch.inputs import Inputs
from ptychopinn_batch.pipeline import build_tasks
from ptychopinn_batch.runfolder import check_folder
from ptychopinn_batch.specfile import LoadedSpec, load_spec, read_text
from ptychopinn_batch.speclang.document import Document
from ptychopinn_batch.sweep import Variant, expand

__all__ = ["Job", "read_job", "spec_options"]

LOCAL, AS_WRITTEN = "local", "none"

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True)
class Job:
    """A spec with all that it comes to."""

    loaded: LoadedSpec
    variants: tuple[Variant, ...]
    run: RunPaths
    tasks: tuple[Task, ...]
    inputs: Inputs

    @property
    def profile_note(self) -> str:
        """A few words on the profile; on the one that is used unasked, how to do without."""
        profile = self.loaded.profile
        without = f"; --profile {AS_WRITTEN}: the spec as written" if profile == LOCAL else ""
        return f" (profile '{profile}'{without})" if profile else ""


def read_job(path: Path, runs: Path, sets: Sequence[str], profile: str | None) -> Job:
    """Load a spec, look at its files, work out its tasks. Writes nothing; UserError if it must."""
    loaded = load_spec(path, sets, _profile(path, profile))
    run = RunPaths(runs, loaded.spec.name)
    check_folder(run, loaded.spec)
    variants, inputs = expand(loaded), Inputs(run)
    tasks = build_tasks(variants, gather(variants, inputs, str(path)), run)
    return Job(loaded, variants, run, tasks, inputs)


def _profile(path: Path, chosen: str | None) -> str | None:
    """The chosen profile; else the spec's own for this kind of machine, where it has one."""
    if chosen is not None:
        return None if chosen == AS_WRITTEN else chosen
    names = Document.read(read_text(path), str(path)).profile_names()
    return LOCAL if LOCAL in names else None


def spec_options(command: F) -> F:
    """SPEC, --runs, --set and --profile."""
    for decorate in (
        click.option(
            "--profile",
            metavar="NAME",
            help=f"Use the keys of this profile of the spec; '{AS_WRITTEN}': of no profile.  "
            f"[default: '{LOCAL}', where the spec has one]",
        ),
        click.option(
            "--set",
            "sets",
            metavar="KEY=VALUE",
            multiple=True,
            help="Override a key, such as train.epochs=3; may be repeated.",
        ),
        runs_option,
        click.argument("spec", type=click.Path(path_type=Path)),
    ):
        command = decorate(command)
    return command
