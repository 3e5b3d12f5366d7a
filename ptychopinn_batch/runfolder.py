"""What a run's folder says of its spec: written once a run is submitted, asked before it is again.

`spec.yaml` is the user's file to the letter, `spec.resolved.json` what became of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ValidationError

from hpc.errors import StateError, UserError
from hpc.fsio import write_changed
from hpc.paths import RunPaths
from ptychopinn_batch.jobspec import JobSpec
from ptychopinn_batch.speclang.file import LoadedSpec

__all__ = ["check_folder", "write_spec"]

ANOTHER = "Give the spec a name of its own (--set name=...), or choose another --runs folder"


class _Simulation(BaseModel):
    """As much of an earlier spec as tells what was looked at; other versions wrote other keys."""

    object: str


class _Scan(BaseModel):
    name: str | None = None
    path: str | None = None
    simulate: _Simulation | None = None

    @property
    def source(self) -> str:
        return self.path or f"simulated {self.simulate and self.simulate.object} '{self.name}'"


class _Spec(BaseModel):
    scans: tuple[_Scan, ...] = ()

    @property
    def sources(self) -> dict[str, None]:
        return dict.fromkeys(scan.source for scan in self.scans)


def check_folder(run: RunPaths, spec: JobSpec) -> None:
    """Raise UserError where the run's folder belongs to something else than this spec.

    A run stays the same as long as one scan of it does, by its path or by what is simulated; then
    a changed spec means that some of its tasks are run again.
    """
    try:
        earlier = _Spec.model_validate_json(run.resolved.read_bytes()).sources
    except FileNotFoundError:
        _check_empty(run)
        return
    except ValidationError:
        mend = "Remove this file if the run is of this spec; else choose another --runs folder"
        raise StateError("this file is damaged", where=str(run.resolved), mend=mend) from None
    now = _Spec.model_validate_json(spec.model_dump_json()).sources
    if earlier and now and not earlier.keys() & now.keys():
        what = f"this folder holds the run of another spec, of {_some(earlier)}"
        raise UserError(what, where=str(run.folder), mend=ANOTHER)


def write_spec(run: RunPaths, loaded: LoadedSpec) -> None:
    """Keep the spec with its run; the caller holds the lock of the run."""
    write_changed(run.spec, loaded.text)
    write_changed(run.resolved, loaded.resolved_json)


def _check_empty(run: RunPaths) -> None:
    """A folder without a spec is new, or a submit was killed in it before the spec was written."""
    strangers = run.folder.is_dir() and any(run.folder.iterdir()) and not run.lock.exists()
    if strangers:
        what = "this folder is not empty, and not that of a run"
        raise UserError(what, where=str(run.folder), mend=ANOTHER)


def _some(sources: Iterable[str]) -> str:
    first, *others = sources
    return f"{first} and {len(others)} more" if others else first
