"""From a spec's file to a run with its tasks: what validate, plan and submit have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from hpc.paths import RunPaths
from hpc.settings import Settings
from hpc.slurm.profile import Profile
from hpc.task import Task
from ptychopinn_batch.cluster.file import check_limits, find_cluster, no_cluster, read_pinned
from ptychopinn_batch.commands.options import runs_option
from ptychopinn_batch.commands.text import shown_path
from ptychopinn_batch.inputs.gather import gather
from ptychopinn_batch.inputs.known import Inputs
from ptychopinn_batch.package import Registry
from ptychopinn_batch.pipeline import build_tasks
from ptychopinn_batch.runfolder import check_folder
from ptychopinn_batch.sections import SHARED
from ptychopinn_batch.speclang.document import Document
from ptychopinn_batch.speclang.file import LoadedSpec, load_spec, read_text
from ptychopinn_batch.speclang.variants import Variant, expand

__all__ = ["Cluster", "Job", "executor_option", "read_job", "spec_options"]

LOCAL, AS_WRITTEN = "local", "none"
EXECUTORS = ("local", "slurm", "dry-run")

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True)
class Cluster:
    """The facts of a cluster, and the file they stand in; None where nobody wrote one."""

    profile: Profile
    path: Path | None = None


@dataclass(frozen=True)
class Job:
    """A spec with all that it comes to."""

    loaded: LoadedSpec
    variants: tuple[Variant, ...]
    run: RunPaths
    tasks: tuple[Task, ...]
    inputs: Inputs
    executor: str
    cluster: Cluster

    def stage_limits(self) -> dict[str, int]:
        """How many tasks of a stage may run at once: the most that any variant allows."""
        limits: dict[str, int] = {}
        for variant in self.variants:
            for stage, wanted in variant.spec.resources:
                limits[stage] = max(limits.get(stage, 0), wanted.array_parallelism)
        shared = {stage: limits[section] for stage, section in SHARED.items()}
        return {**limits, **shared}

    def settings(self) -> Settings:
        """What is kept with the run for those who go on with it."""
        return Settings(
            executor="slurm" if self.executor == "slurm" else "local",
            profile=self.cluster.profile,
            retry=self.loaded.spec.retry,
            stage_limits=self.stage_limits(),
        )

    @property
    def profile_note(self) -> str:
        """A few words on the profile; on the one that is used unasked, how to do without."""
        profile, file = self.loaded.profile, self.cluster.path
        if file is not None:
            return f" (profile {shown_path(file)}{' and that of the spec' if profile else ''})"
        without = f"; --profile {AS_WRITTEN}: the spec as written" if profile == LOCAL else ""
        return f" (profile '{profile}'{without})" if profile else ""


def read_job(
    path: Path,
    runs: Path,
    sets: Sequence[str],
    profile: str | None,
    executor: str | None = None,
) -> Job:
    """Load a spec, look at its files, work out its tasks. Writes nothing; UserError if it must."""
    own, file = _profiles(path, profile, executor)
    cluster = Cluster(read_pinned(file), file) if file else Cluster(Profile(version=1))
    loaded = load_spec(path, sets, own)
    run = RunPaths(runs, loaded.spec.name)
    check_folder(run, loaded.spec)
    variants, inputs = expand(loaded), Inputs(run)
    facts = gather(variants, inputs, Registry(run.models), str(path))
    container = cluster.profile.container
    tasks = build_tasks(variants, facts, run, container.sha256 if container else None)
    where = executor or (cluster.profile.executor if file else LOCAL)
    if file and where == "slurm":
        check_limits(tasks, cluster.profile, file)
    return Job(loaded, variants, run, tasks, inputs, where, cluster)


def _profiles(
    path: Path, chosen: str | None, executor: str | None
) -> tuple[str | None, Path | None]:
    """The spec's own profile and the cluster's file that are meant by one name."""
    names = Document.read(read_text(path), str(path)).profile_names()
    if chosen is None:  # the spec's own for this kind of machine, where it has one
        return (LOCAL if LOCAL in names and executor != "slurm" else None), None
    if chosen == AS_WRITTEN:
        return None, None
    file, own = find_cluster(chosen, path.parent), Path(chosen).stem
    if file is None and not names:
        raise no_cluster(chosen, path.parent)
    return (own if own in names or file is None else None), file


def executor_option(command: F) -> F:
    """--executor, where tasks run."""
    return click.option(
        "--executor",
        type=click.Choice(EXECUTORS),
        help="Run tasks on this machine or on SLURM, or only say what would be started.  "
        "[default: the profile's, else local]",
    )(command)


def spec_options(command: F) -> F:
    """SPEC, --runs, --set and --profile."""
    for decorate in (
        click.option(
            "--profile",
            metavar="NAME",
            help="Use the keys of this profile of the spec, the facts of a cluster in "
            f"profiles/NAME.yaml, or both; '{AS_WRITTEN}': neither.  "
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
