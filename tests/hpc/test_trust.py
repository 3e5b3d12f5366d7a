"""Folders in which others could put tasks are refused, before anything is written."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from hpc.errors import UserError
from hpc.executors.local import LocalExecutor
from hpc.executors.slurm import SlurmExecutor
from hpc.paths import RunPaths
from hpc.task import Task
from hpc.trust import TRUST, check_trusted

NOBODY = 65534


def folders(run: RunPaths) -> list[Path]:
    return [run.root, run.folder, run.task_folder, run.ledger_folder]


def test_a_folder_of_ones_own_is_trusted_also_where_a_group_shares_it(run: RunPaths) -> None:
    check_trusted(run)  # not there yet
    run.create()
    for folder in folders(run):
        folder.chmod(0o2775)
    check_trusted(run)


@pytest.mark.parametrize("number", range(4))
def test_a_folder_that_everybody_may_write_in_is_refused(
    run: RunPaths, refusal_of: Callable[..., tuple[str, str, str]], number: int
) -> None:
    run.create()
    folder = folders(run)[number]
    folder.chmod(0o777)
    assert refusal_of(check_trusted, run) == (
        "everybody may write in this folder, and so have your tasks run anything",
        str(folder),
        f"Call chmod -R o-w on it, or set {TRUST}=1 if you trust everybody here",
    )
    folder.chmod(0o755)
    check_trusted(run)


def test_a_folder_such_as_tmp_may_hold_runs(run: RunPaths) -> None:
    run.create()
    run.root.chmod(0o777 | stat.S_ISVTX)
    check_trusted(run)


@pytest.fixture
def foreign(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> RunPaths:
    """A run of somebody else, as it looks from here."""
    run.create()
    owner = run.folder.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    real = Path.stat

    def shifted(path: Path, **options: bool) -> os.stat_result:
        values = list(real(path, **options))
        values[stat.ST_UID] = NOBODY if path == run.folder else owner + 1
        return os.stat_result(values)

    monkeypatch.setattr(Path, "stat", shifted)
    return run


def test_the_run_of_somebody_else_is_refused_by_name(
    foreign: RunPaths, refusal_of: Callable[..., tuple[str, str, str]]
) -> None:
    assert refusal_of(check_trusted, foreign) == (
        "this folder belongs to nobody, who can have your tasks run anything",
        str(foreign.folder),
        f"Choose another --runs folder, or set {TRUST}=1 if you trust its owner",
    )


def test_the_user_may_trust_all_the_same(
    foreign: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign.root.chmod(0o777)
    monkeypatch.setenv(TRUST, "1")
    check_trusted(foreign)


@pytest.mark.parametrize("executor", [LocalExecutor(), SlurmExecutor()])
def test_no_executor_starts_tasks_there(
    run: RunPaths, make: Callable[..., Task], executor: LocalExecutor | SlurmExecutor
) -> None:
    run.root.mkdir(parents=True)
    run.root.chmod(0o777)
    with pytest.raises(UserError, match="everybody may write"):
        executor.submit(run, [make("a")])
    assert list(run.root.iterdir()) == []
