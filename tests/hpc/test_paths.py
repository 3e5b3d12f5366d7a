"""Where everything of a run lies: names that scripts of users rely on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hpc.errors import UserError
from hpc.paths import RunPaths


def test_the_layout_of_a_run_is_a_contract(tmp_path: Path) -> None:
    run = RunPaths(tmp_path, "fly64")
    found = {
        "spec": run.spec,
        "resolved": run.resolved,
        "plan": run.plan,
        "report": run.report,
        "ledger": run.ledger("train-a"),
        "task": run.task("train-a"),
        "params": run.task_params("train-a"),
        "log": run.log("train-a"),
        "training": run.training("abc"),
        "model": run.model("a"),
        "result": run.result("a", "scan"),
        "store": run.store("id"),
    }
    assert {name: str(path.relative_to(tmp_path)) for name, path in found.items()} == {
        "spec": "fly64/spec.yaml",
        "resolved": "fly64/spec.resolved.json",
        "plan": "fly64/plan.json",
        "report": "fly64/report.html",
        "ledger": "fly64/ledger/train-a.jsonl",
        "task": "fly64/tasks/train-a.json",
        "params": "fly64/tasks/train-a.params.json",
        "log": "fly64/logs/train-a.log",
        "training": "fly64/training/abc",
        "model": "fly64/models/a",
        "result": "fly64/results/a/scan",
        "store": ".stores/id",
    }


def test_paths_do_not_depend_on_where_a_worker_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = RunPaths(Path("runs"), "a")
    monkeypatch.chdir("/")
    assert run.folder == tmp_path / "runs" / "a"


@pytest.mark.parametrize("name", ["", "..", "a/b", ".stores"])
def test_a_run_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="name of the run"):
        RunPaths(tmp_path, name)


def test_a_home_that_is_not_known_is_a_mistake_of_the_user(
    refusal_of: Callable[..., tuple[str, str, str]],
) -> None:
    assert refusal_of(RunPaths, Path("~nobody-here/runs"), "fly64") == (
        "it is not known which folder '~' means here",
        "~nobody-here/runs",
        "Write the path in full",
    )


def test_a_folder_whose_name_would_end_a_line_of_a_script_is_refused(
    refusal_of: Callable[..., tuple[str, str, str]],
) -> None:
    assert refusal_of(RunPaths, Path("/data/a\nrm -r b"), "fly64") == (
        "the name of this folder has line breaks or other control characters",
        r"'/data/a\nrm -r b'",
        "Choose another --runs folder",
    )
