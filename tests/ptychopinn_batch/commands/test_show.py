"""`show`: figures always, pictures where the terminal can show them, and where the files are."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from ptychopinn_batch.commands.screen import beside_each_other, terminal
from ptychopinn_batch.report.pictures import Look, coloured, panel
from ptychopinn_batch.report.record import ResultReport
from ptychopinn_batch.verdict.findings import finding

STAR = ("default", "star")


@pytest.fixture
def run(results):
    """Of two results one is done."""
    run = results("demo", STAR, ("wide", "siemens"))
    run.files = run.conclude(*STAR, R=0.0114, phase_corr=0.991)
    return run


def draw(files):
    """The pictures of a result as the report has them, and as PNG files."""
    ramp, look = np.linspace(0, 1, 64 * 32).reshape(64, 32), Look("gray", (0, 1), "", ("0", "1"))
    shown = [panel(coloured(ramp, look), look, name=n, title=n, alt=n) for n in ("amplitude", "x")]
    report = ResultReport(key="k", thumbnail="", panels=tuple(shown), curves=())
    files.report.write_text(report.model_dump_json())
    files.amplitude.touch()


def test_a_result_is_shown_with_its_verdict_its_figures_and_where_it_lies(run, prints):
    lines = prints("show", "demo/default/star").splitlines()
    assert lines[0] == "demo/default/star: good"
    assert "  R            0.01140  over all frames" in lines
    assert "  coverage     75%      of the scanned area" in lines
    assert lines[-1] == "files: runs/demo/results/default/star"
    assert not any(line.startswith("  R noise") for line in lines)  # there is none


@pytest.mark.parametrize(
    "name",
    ["demo/default", "demo/star", "demo/default/star/", "runs/demo/results/default/star"],
)
def test_its_name_may_be_as_short_as_is_clear_or_its_folder(run, prints, name):
    assert prints("show", name).startswith("demo/default/star: good\n")


@pytest.mark.parametrize("name", ["demo", "runs/demo"])
def test_of_a_whole_run_each_result_is_a_line(run, prints, name):
    head, first, second, more = prints("show", name).splitlines()
    assert head.split()[:2] == ["result", "verdict"]
    assert re.match(r"demo/default/star +good +0\.01140 +0\.03000 +- +0\.9910 +412$", first)
    assert re.match(r"demo/wide/siemens +- +- .* pending$", second)
    assert more.startswith("2 results")


def test_what_is_not_done_says_how_far_it_is(run, prints):
    run.finish("finalize-wide-siemens", "failed", cause="a faulty frame")
    assert prints("show", "demo/wide") == "demo/wide/siemens: failed: a faulty frame\n"


def test_a_result_whose_folder_was_removed_is_not_shown_as_if_it_were_there(run, prints):
    run.files.metrics.unlink()
    assert "its figures are gone" in prints("show", "demo/default")


def test_what_speaks_against_a_result_is_told_with_what_mends_it(run, prints):
    bad = finding("axes", "bad", "x and y are swapped", "Set swap_xy")
    run.files.folder.joinpath("metrics.json").unlink()
    run.files.folder.rmdir()
    run.conclude(*STAR, verdict="bad", findings=(bad,))
    text = prints("show", "demo/default")
    assert text.startswith("demo/default/star: bad\n")
    assert "  - bad, axes: x and y are swapped. Set swap_xy.\n" in text


def test_a_name_that_nothing_has_is_a_mistake(run, refuses):
    said = refuses("show", "demo/defualt/star")
    assert "run demo: there is no result 'defualt/star'. Did you mean default/star" in said
    said = refuses("show", "dmo/default")
    assert "no run 'dmo' has been submitted. Did you mean 'demo'?" in said


def test_json_holds_the_same_for_programs(run, prints):
    draw(run.files)
    done, left = json.loads(prints("show", "demo", "--json"))["results"]
    assert (done["run"], done["variant"], done["scan"]) == ("demo", *STAR)
    assert done["metrics"]["R"] == 0.0114
    assert done["pictures"] == {"amplitude": str(run.files.amplitude)}
    assert (left["status"], left["metrics"]) == ("pending", None)


def test_where_nothing_can_be_shown_the_pictures_are_named(run, prints):
    draw(run.files)
    assert "amplitude: runs/demo/results/default/star/amplitude.png\n" in prints(
        "show", "demo/star"
    )


def test_a_terminal_shows_the_pictures(run, prints, monkeypatch):
    draw(run.files)
    screen = io.StringIO()
    console = Console(
        file=screen, force_terminal=True, color_system="truecolor", width=60, height=30
    )
    monkeypatch.setattr("ptychopinn_batch.commands.show.terminal", lambda: console)
    text = prints("show", "demo/star")
    assert "amplitude, 0 to 1\n" in text
    assert "amplitude.png" not in text
    rows = screen.getvalue().rstrip("\n").split("\n")
    assert 10 <= len(rows) <= 21  # of the terminal's thirty


class Stream(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "term", "shows"),
    [
        (Stream, "xterm-256color", True),
        (Stream, "dumb", False),
        (io.StringIO, "xterm-256color", False),
    ],
)
def test_pictures_are_for_terminals_with_colours(monkeypatch, stream, term, shows):
    for name, value in {"TERM": term, "COLORTERM": "truecolor"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdin", Stream())
    monkeypatch.setattr("sys.stdout", stream())
    found = terminal()
    assert (found is not None) == shows


def test_pictures_in_a_row_are_of_one_height_and_grey_where_nothing_was_seen():
    left = Image.new("RGBA", (10, 20), (255, 0, 0, 255))
    right = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    row = beside_each_other([left, right])
    assert row.size == (10 + 1 + 20, 20)
    assert row.getpixel((5, 10)) == (255, 0, 0)
    assert row.getpixel((25, 10)) == (153, 153, 153)
