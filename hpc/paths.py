"""Every path of a run in one place: nobody else puts names together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hpc.errors import UserError
from hpc.task import parse_name

__all__ = ["RunPaths", "expanded"]


@dataclass(frozen=True)
class RunPaths:
    """The layout of one run under the folder `root` that holds all runs."""

    root: Path
    name: str

    def __post_init__(self) -> None:
        # Absolute, because workers and jobs start in folders of their own.
        object.__setattr__(self, "root", expanded(self.root).absolute())
        if not str(self.root).isprintable():  # a line break would end a line of a job's script
            what = "the name of this folder has line breaks or other control characters"
            raise UserError(what, where=repr(str(self.root)), mend="Choose another --runs folder")
        try:
            parse_name(self.name)
        except ValueError as error:
            raise UserError(str(error), where="name of the run") from None

    @cached_property
    def folder(self) -> Path:
        return self.root / self.name

    @cached_property
    def spec(self) -> Path:
        return self.folder / "spec.yaml"

    @cached_property
    def resolved(self) -> Path:
        return self.folder / "spec.resolved.json"

    @cached_property
    def plan(self) -> Path:
        return self.folder / "plan.json"

    @cached_property
    def report(self) -> Path:
        return self.folder / "report.html"

    @cached_property
    def lock(self) -> Path:
        return self.folder / "run.lock"

    @cached_property
    def ledger_folder(self) -> Path:
        return self.folder / "ledger"

    @cached_property
    def task_folder(self) -> Path:
        return self.folder / "tasks"

    @cached_property
    def log_folder(self) -> Path:
        return self.folder / "logs"

    @cached_property
    def heartbeat_folder(self) -> Path:
        return self.folder / "heartbeats"

    @cached_property
    def lock_folder(self) -> Path:
        return self.folder / "locks"

    @cached_property
    def slurm_log_folder(self) -> Path:
        """What batch jobs print before and after their task: why one never began."""
        return self.log_folder / "slurm"

    @cached_property
    def executor(self) -> Path:
        """How the run was submitted: what a later submission without the spec goes by."""
        return self.folder / "executor.json"

    @cached_property
    def batch_folder(self) -> Path:
        return self.folder / "batches"

    @cached_property
    def batch_fates(self) -> Path:
        return self.batch_folder / "fates.jsonl"

    @cached_property
    def stores(self) -> Path:
        return self.root / ".stores"

    @cached_property
    def models(self) -> Path:
        """Packaged models, by their content: shared between runs."""
        return self.root / ".models"

    @cached_property
    def known_inputs(self) -> Path:
        """What is remembered of input files, by the program that has them."""
        return self.stores / "inputs.jsonl"

    @cached_property
    def known_scans(self) -> Path:
        """What is remembered of the scans in them."""
        return self.stores / "scans.jsonl"

    def ledger(self, task_id: str) -> Path:
        return self.ledger_folder / self.ledger_name(task_id)

    @staticmethod
    def ledger_name(task_id: str) -> str:
        """Of its file: a folder of thousands is listed, not asked for each of them."""
        return f"{task_id}.jsonl"

    def task(self, task_id: str) -> Path:
        return self.task_folder / f"{task_id}.json"

    def task_params(self, task_id: str) -> Path:
        """The legacy dictionary the task ran with."""
        return self.task_folder / f"{task_id}.params.json"

    def log(self, task_id: str) -> Path:
        return self.log_folder / f"{task_id}.log"

    def heartbeat(self, task_id: str) -> Path:
        return self.heartbeat_folder / f"{task_id}.json"

    def task_lock(self, task_id: str) -> Path:
        return self.lock_folder / f"{task_id}.lock"

    def batch(self, token: str) -> Path:
        return self.batch_folder / f"{token}.json"

    def batch_script(self, token: str) -> Path:
        return self.batch_folder / f"{token}.sh"

    def store(self, store_id: str) -> Path:
        return self.stores / store_id

    def training(self, key: str) -> Path:
        return self.folder / "training" / key

    def model(self, variant: str) -> Path:
        return self.folder / "models" / variant

    def result(self, variant: str, scan: str) -> Path:
        return self.folder.joinpath("results", variant, scan)

    def others(self) -> tuple[str, ...]:
        """The names of the submitted runs in the same folder."""
        return tuple(sorted(plan.parent.name for plan in self.root.glob(f"[!.]*/{self.plan.name}")))

    def create(self) -> None:
        """Make the folders that tasks write in."""
        for folder in (
            self.ledger_folder,
            self.task_folder,
            self.log_folder,
            self.heartbeat_folder,
            self.lock_folder,
        ):
            folder.mkdir(parents=True, exist_ok=True)


def expanded(path: str | Path) -> Path:
    """A path without `~`; UserError where nobody's home is meant, or it is not known."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        what = "it is not known which folder '~' means here"
        raise UserError(what, where=str(path), mend="Write the path in full") from None
