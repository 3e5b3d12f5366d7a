"""Progress: lines when something happens, and a live view on a terminal."""

import io
import re

from hpc.status import Row, RunStatus
from ptychopinn_batch.commands.progress import REPEAT, Lines, watcher


def status(*rows):
    return RunStatus(run="x", at=0.0, submitter=None, rows=rows)


def row(name, state, **more):
    return Row(id=name, stage=name.split("-")[0], status=state, attempt=1, **more)


class Watch:
    """Lines, a clock that is set by hand, and what was said, without the time of day."""

    def __init__(self):
        self.now, self.said = 0.0, []
        self.lines = Lines(self._say, lambda: self.now)

    def _say(self, line):
        stamp, text = line.split("  ", 1)
        assert re.fullmatch(r"\d\d:\d\d:\d\d", stamp)
        self.said.append(text)

    def sees(self, *rows):
        """What is said on seeing a status."""
        self.said.clear()
        self.lines.update(status(*rows))
        return list(self.said)


def test_every_start_and_end_is_said_once():
    watch = Watch()
    assert watch.sees(row("a", "pending"), row("b", "pending")) == []
    assert watch.sees(row("a", "running"), row("b", "pending")) == ["a  running"]
    assert watch.sees(row("a", "running"), row("b", "pending")) == []
    assert watch.sees(row("a", "done", seconds=3.21), row("b", "pending")) == ["a  done (3.2 s)"]


def test_a_task_that_starts_and_ends_between_two_looks_is_said():
    watch = Watch()
    watch.sees(row("a", "pending"))
    assert watch.sees(row("a", "failed", cause="no disk", seconds=1.0)) == [
        "a  failed: no disk (1.0 s)"
    ]


def test_what_was_done_before_is_not_said():
    assert Watch().sees(row("a", "done"), row("b", "running")) == ["b  running"]


def test_long_tasks_tell_their_figures_now_and_then():
    watch = Watch()
    busy = row("a", "running", step=3, total=9, figures={"loss": 0.5}, eta=20.0)
    watch.sees(busy)
    watch.now += REPEAT / 2
    assert watch.sees(busy) == []
    watch.now += REPEAT / 2
    assert watch.sees(busy) == ["a  3/9, loss 0.5, 20 s left"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_stages_and_running_tasks(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    with watcher(terminal) as show:
        show.update(
            status(
                row("prepare-a", "done", progress=1.0),
                row("train-a", "running", step=3, total=9, figures={"loss": 0.5}, eta=20.0),
            )
        )
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "x: 1 running, 1 done" in text
    assert re.search(r"prepare +━+ +1 done", text)
    assert re.search(r"train-a +3/9 +loss 0\.5 +20 s left", text)


def test_many_running_tasks_are_cut_to_a_few():
    terminal = Terminal()
    rows = [row(f"infer-{k}", "running") for k in range(30)]
    from rich.console import Console

    from ptychopinn_batch.commands.progress import drawn

    Console(file=terminal, width=100).print(drawn(status(*rows), 1.0))
    assert terminal.getvalue().count("infer-") == 12
    assert "and 18 more" in terminal.getvalue()
