"""The sbatch scripts that a submit would write, before there are any jobs. Writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from hpc.paths import RunPaths
from hpc.settings import Settings
from hpc.slurm.script import steward_script, task_script
from hpc.slurm.wave import STEWARD_RESOURCES, arrays_for
from hpc.task import Task

__all__ = ["preview"]

TOKEN = "TOKEN"  # stands for what each batch is given when it is submitted


def preview(
    run: RunPaths, tasks: Sequence[Task], settings: Settings, under_way: Collection[str] = ()
) -> Iterator[str]:
    """Scripts in the order of their submission; JOB1 stands for the id of the first job.

    `tasks` are those to be handed over, every need before its task; `under_way` those that SLURM
    has already.
    """
    arrays = arrays_for(run, tasks, settings, under_way)
    for array in arrays:
        yield task_script(
            run,
            settings.profile,
            stage=array.stage,
            token=TOKEN,
            shape=array.shape,
            count=len(array.tasks),
            parallel=array.parallel,
            after=[*map(_job, array.after), *(f"JOB-of-{task}" for task in array.behind)],
        )
    if arrays:
        after = [_job(number) for number in range(len(arrays))]
        resources = STEWARD_RESOURCES
        yield steward_script(run, settings.profile, token=TOKEN, resources=resources, after=after)


def _job(number: int) -> str:
    return f"JOB{number + 1}"
