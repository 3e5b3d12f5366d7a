"""The dry run: the very commands, and not a trace of it."""

import sys
from collections.abc import Callable
from pathlib import Path

from hpc.executors.dry_run import DryRunExecutor
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.task import Task

Make = Callable[..., Task]


def test_it_says_the_commands_and_what_each_waits_for(run: RunPaths, make: Make) -> None:
    first = make("a")
    handle = DryRunExecutor().submit(run, [first, make("b", needs=[first])])
    assert handle.poll()
    assert [command.after for command in handle.commands] == [(), ("a",)]
    argv = handle.commands[0].argv
    assert argv[0] == sys.executable
    assert argv[-6:] == ("--runs", str(run.root), "--run", "demo", "--task", "a")


def test_it_leaves_no_file(run: RunPaths, make: Make, tmp_path: Path) -> None:
    with DryRunExecutor().submit(run, [make("a")]) as handle:
        handle.wait()
        handle.cancel()
        handle.interrupt()
    assert list(tmp_path.iterdir()) == []


def test_it_counts_on_what_runs_already_but_not_with_other_settings(
    run: RunPaths, make: Make, pretend: Callable[..., None]
) -> None:
    runs, changed = make("a"), make("b", steps=1)
    pretend(runs, None, process=Process.current())
    pretend(changed, None, process=Process.current())
    changed = make("b", steps=2)
    tasks = [runs, changed, make("c", needs=[runs]), make("d", needs=[changed])]
    handle = DryRunExecutor().submit(run, tasks)
    assert [command.task for command in handle.commands] == ["b", "c", "d"]
