"""What goes can be made again, what anybody needs stays, a kill in the middle harms nobody."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from hpc.errors import LockedError
from hpc.lease import Lease
from hpc.ledger import Queued, Started, append, read_state
from hpc.paths import RunPaths
from hpc.process import Process
from ptychopinn_batch.tidy.tidying import look_over, tidy_up

ROOT = "runs"


def look(*names, kinds=("stores", "checkpoints", "leftovers")):
    """What can go of these runs."""
    return look_over(RunPaths(Path(ROOT), "any"), names, kinds)


def removable(found):
    return {Path(thing.path).name for thing in found.things}


def why(found, path):
    """Why something stays."""
    return next(kept.why for kept in found.kept if kept.path == str(path))


def tidy(*names):
    return tidy_up(RunPaths(Path(ROOT), "any"), names, look(*names))


def test_the_store_and_the_checkpoints_of_a_run_that_is_done_can_go(night):
    run = night()
    found = look("night")
    assert [thing.path for thing in found.things] == [str(run.store), str(run.training.checkpoints)]
    assert found.kept == ()
    assert found.frees == sum(thing.size for thing in found.things) >= 20_000


def test_what_goes_is_made_again_when_it_is_needed_and_not_before(night):
    run = night()
    freed = tidy("night").frees
    assert freed >= 20_000
    assert not run.store.exists()
    assert run.training.package.is_dir()
    assert run.submit().startswith("Nothing to do")
    run.submit("--set", "infer.steps=3")
    assert read_state(run.paths, "prepare-star").attempt == 2
    assert read_state(run.paths, "train-default").attempt == 1
    assert run.store.is_dir()


def test_products_packages_logs_and_records_are_not_touched(night):
    run = night()
    (run.paths.folder / ".notes.txt").write_text("mine")
    before = {p for p in run.paths.folder.rglob("*") if "checkpoints" not in p.parts}
    tidy("night")
    after = set(run.paths.folder.rglob("*"))
    assert {p for p in before - after if not p.name.startswith("run.lock")} == set()


def test_a_store_that_tasks_still_have_to_read_stays(night):
    run = night()
    append(run.paths.ledger("infer-default-star-0"), Queued(key=run.key("infer")))
    found = look("night")
    assert removable(found) == {"checkpoints"}
    assert why(found, run.store) == "run night has 1 of its tasks still to do with it"


def test_a_store_of_another_run_that_is_at_work_stays(night):
    run, other = night(), night("other")
    assert run.store == other.store
    with Lease(other.paths.lock, "busy"):
        pass
    start = Started(attempt=9, key=run.key("infer"), process=Process.current())
    append(other.paths.ledger("infer-default-star-0"), start)
    found = look("night")
    assert removable(found) == {"checkpoints"}
    assert why(found, run.store) == "run other is running (infer-default-star-0)"


def test_a_store_of_a_run_that_cannot_be_read_may_be_any(night):
    run, other = night(), night("other")
    other.paths.plan.write_text("{")
    found = look("night")
    assert re.match(r"run other cannot be read \(.*, and may need it", why(found, run.store))


def test_a_store_stays_where_the_folder_of_a_run_is_closed_to_us(night, monkeypatch):
    run = night()
    closed = RunPaths(Path(ROOT), "theirs").folder
    closed.mkdir()
    exists = Path.exists

    def look_or_fail(path, **options):
        if closed in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return exists(path, **options)

    read = Path.read_bytes

    def read_or_fail(path):
        look_or_fail(path)
        return read(path)

    monkeypatch.setattr(Path, "exists", look_or_fail)
    monkeypatch.setattr(Path, "read_bytes", read_or_fail)
    assert "run theirs cannot be read" in why(look("night"), run.store)


def test_a_store_of_two_runs_at_rest_can_go(night):
    night(), night("other")
    found = look("night")
    assert found.things[0].about == "scan star of night, other"


def test_the_last_copy_of_frames_stays(night, measured):
    run = night(scan=measured)
    assert removable(look("night")) == {run.store.name, "checkpoints"}
    with np.load("star.npz") as file:
        np.savez("star.npz", **{**file, "xcoords": file["xcoords"] + 1})
    assert "star.npz was changed" in why(look("night"), run.store)
    Path("star.npz").unlink()
    assert "star.npz cannot be read any more" in why(look("night"), run.store)


def test_a_store_that_no_run_knows_is_told_of_and_stays(night):
    run = night()
    strange = run.paths.store("0" * 32)
    strange.mkdir()
    assert "no run here has made it" in why(look("night"), strange)


def test_a_store_that_is_a_link_stays(night):
    run = night()
    run.store.rename("elsewhere")
    run.store.symlink_to(Path("elsewhere").absolute())
    assert why(look("night"), run.store) == "it is a link to another place"


def test_checkpoints_of_a_training_without_a_whole_package_stay(night):
    run = night()
    next(run.training.package.glob("*.pth")).unlink()
    why_not = "the training is not finished: it goes on from it"
    assert why(look("night"), run.training.checkpoints) == why_not


def test_of_a_run_at_work_nothing_goes(night):
    run = night()
    start = Started(attempt=9, key=run.key("infer"), process=Process.current())
    append(run.paths.ledger("infer-default-star-0"), start)
    (run.paths.folder / ".plan.json.999999999.0123abcd.tmp").touch()
    found = look("night")
    assert found.things == ()
    assert why(found, run.paths.folder) == "run night is running (infer-default-star-0)"


def test_somebody_who_begins_after_the_question_was_asked_keeps_everything(night):
    run = night()
    agreed = look("night")
    note = run.paths.lock.with_name("run.lock.owner.json")
    other = Process(host="login2", pid=77, started="x")
    note.write_text(f'{{"user": "eve", "process": {other.model_dump_json()}, "since": 0}}')
    with pytest.raises(LockedError, match="eve"):
        tidy_up(RunPaths(Path(ROOT), "any"), {"night"}, agreed)
    assert run.store.is_dir()


def test_only_what_was_agreed_on_goes(night):
    run = night()
    agreed = look("night", kinds=["checkpoints"])
    tidy_up(RunPaths(Path(ROOT), "any"), {"night"}, agreed)
    assert run.store.is_dir()
    assert not run.training.checkpoints.exists()


def test_what_killed_writers_left_can_go_and_what_living_ones_write_cannot(night):
    run = night()
    dead, mine = "999999999.0123abcd.tmp", f"{os.getpid()}.0123abcd.tmp"
    left = [
        run.paths.folder / f".plan.json.{dead}",
        run.paths.folder / "results" / f".phase.png.{dead}.png",
        run.paths.stores / f".{run.store.name}.{dead}",
    ]
    for path in left:
        path.touch()
    (run.paths.folder / f".plan.json.{mine}").touch()
    (run.paths.stores / f".{run.store.name}.lock").touch()
    found = look("night", kinds=["leftovers"])
    assert {thing.path for thing in found.things} == {str(path) for path in left}


def test_what_was_left_beside_a_store_stays_while_another_run_of_it_is_at_work(night):
    run, other = night(), night("other")
    (run.paths.stores / f".{run.store.name}.999999999.0123abcd.tmp").touch()
    start = Started(attempt=9, key=run.key("infer"), process=Process.current())
    append(other.paths.ledger("infer-default-star-0"), start)
    assert look("night", kinds=["leftovers"]).things == ()


class Killed(BaseException):
    """As a kill: nobody catches it."""


def test_a_kill_in_the_middle_leaves_no_half_store_and_the_next_one_goes_on(night, monkeypatch):
    run = night()

    def dies(path):
        next(path.iterdir()).unlink()
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("ptychopinn_batch.tidy.disk.shutil.rmtree", dies)
        with pytest.raises(Killed):
            tidy("night")
    assert not run.store.exists()
    (left,) = run.paths.stores.glob(".*.tmp")
    dead = left.rename(left.with_name(left.name.replace(f".{os.getpid()}.", ".999999999.")))
    assert run.submit().startswith("Nothing to do")
    assert removable(look("night")) == {dead.name, "checkpoints"}
    tidy("night")
    assert not dead.exists()
    assert not run.training.checkpoints.exists()


def test_a_file_with_two_names_is_freed_with_the_last_of_them(night):
    run = night()
    refined = run.paths.store("1" * 32)
    shutil.copytree(run.store, refined, copy_function=os.link)
    found = look("night", kinds=["stores"])
    assert found.things[0].size >= 10_000
    assert found.frees == 0
