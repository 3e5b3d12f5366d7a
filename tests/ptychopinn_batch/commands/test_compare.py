"""`compare`: what was set otherwise, what came of it, and what it looks like."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.commands.pairing import pair_up
from ptychopinn_batch.commands.settings import Setting, differing
from ptychopinn_batch.objectstore import ObjectStore
from ptychopinn_batch.speclang.file import load_spec

STAR = ("default", "star")
SPEC = """\
version: 1
name: {name}
scans:
  - {{name: star, simulate: {{frames: 20, frame_size: 32}}}}
infer: {{steps: {steps}}}
"""
SWEEP = "sweep: {product: {infer.steps: [4, 8]}}\n"


@pytest.fixture
def make(results):
    """Makes a run with a spec and results that are done."""

    def make(name, figures=None, steps=8, sweep=""):
        figures = {STAR: {}} if figures is None else figures
        run = results(name, *figures)
        Path(f"{name}.yaml").write_text(SPEC.format(name=name, steps=steps) + sweep)
        run.paths.resolved.write_text(load_spec(Path(f"{name}.yaml")).resolved_json)
        run.files = {pair: run.conclude(*pair, **values) for pair, values in figures.items()}
        return run

    return make


def reconstruct(files, turn=1.0):
    """Put an object into a result; objects differ by a global phase that nobody can see."""
    canvas = Canvas(x0=0, y0=0, height=40, width=50, pixel_size_m=1e-8)
    store = ObjectStore.create(files.object_array, canvas=canvas, tile=64, array_key="k")
    values = np.random.default_rng(0).normal(size=(2, 40, 50)) * 0.1
    obj = ((1 + values[0]) * np.exp(1j * values[1]) * turn).astype(np.complex64)
    store.write_tile(store.tiles[0], obj, np.ones((40, 50), np.float32), np.ones((40, 50), bool))


def test_settings_that_differ_and_figures_stand_side_by_side(make, prints):
    make("a", {STAR: {"R_held_out": 0.02}})
    make("b", {STAR: {"R_held_out": 0.01, "verdict": "doubtful"}}, steps=32)
    text = prints("compare", "a", "b")
    assert text.startswith("setting      a  b\ninfer.steps  8  32\n")
    assert re.search(r"^verdict +good +doubtful$", text, re.M)
    assert re.search(r"^R held out +0\.02000 +0\.01000 +-50\.0% better$", text, re.M)
    assert re.search(r"^frames +100 +100$", text, re.M)


def test_equal_settings_are_said_to_be(make, prints):
    make("a"), make("b")
    assert prints("compare", "a", "b").startswith("No setting differs.\n")


def test_what_is_not_done_has_no_figures(make, prints):
    make("a")
    make("b").finish("finalize-default-star", "failed", cause="no")
    assert "b/default/star: failed: no\n" in prints("compare", "a", "b")


def test_of_several_results_each_is_a_line_and_what_got_worse_is_first(make, prints):
    scans = [("default", name) for name in ("p", "q", "r")]
    make("a", {scan: {"R_held_out": 0.02} for scan in scans})
    better = dict(zip(scans, (0.01, 0.03, 0.019), strict=True))
    make("b", {scan: {"R_held_out": value} for scan, value in better.items()})
    lines = prints("compare", "a", "b").splitlines()
    assert [line.split()[0] for line in lines[3:6]] == ["default/q", "default/r", "default/p"]
    assert lines[6] == (
        "3 pairs: R held out of the second is lower in 2, higher in 1; "
        "in the middle it changes by -5.0%."
    )
    assert lines[7].startswith("For pictures, compare one pair")


def test_what_stands_alone_is_named(make, prints):
    make("a", {("default", "p"): {}, ("default", "q"): {}})
    make("b", {("default", "q"): {}, ("default", "r"): {}})
    text = prints("compare", "a", "b")
    assert "only in a: default/p\nonly in b: default/r\n" in text


def test_two_variants_of_a_sweep_are_compared_by_the_values_of_their_own(make, prints):
    make("a", {("infer.steps=4", "star"): {}, ("infer.steps=8", "star"): {}}, sweep=SWEEP)
    text = prints("compare", "a/infer.steps=4", "a/infer.steps=8")
    assert "\ninfer.steps  4                8\n" in text
    assert text.startswith("setting      a/infer.steps=4  a/infer.steps=8\n")


def test_pictures_of_a_pair_are_written(make, prints):
    for name, turn in (("a", 1), ("b", 1j)):
        reconstruct(make(name).files[STAR], turn)
    text = prints("compare", "a", "b", "--output", "both.png")
    assert "phase_corr 1.0000" in text
    assert text.endswith("pictures: both.png\n")
    assert Path("both.png").read_bytes().startswith(b"\x89PNG")


def test_pictures_that_cannot_be_made_are_a_mistake_only_where_they_are_asked_for(
    make, prints, refuses
):
    make("a"), make("b")
    assert "R held out" in prints("compare", "a", "b")
    assert "there is no object array" in refuses("compare", "a", "b", "--output", "both.png")


def test_pictures_are_of_one_pair(make, refuses):
    scans = {("default", "p"): {}, ("default", "q"): {}}
    make("a", scans), make("b", scans)
    assert refuses("compare", "a", "b", "--output", "both.png") == (
        "Error: --output: pictures are of one pair of results, and these are 2. Name one as "
        "RUN/VARIANT/SCAN; there are default/p, default/q\n"
    )


def test_pictures_of_what_runs_do_not_share_are_refused(make, refuses):
    make("a", {("default", "p"): {}, ("default", "q"): {}})
    make("b", {("default", "r"): {}, ("default", "s"): {}})
    said = refuses("compare", "a", "b", "--output", "both.png")
    assert said.endswith("Name one as RUN/VARIANT/SCAN; these runs have none in common\n")


def test_json_holds_the_same_for_programs(make, prints):
    make("a"), make("b", steps=32)
    found = json.loads(prints("compare", "a", "b", "--json"))
    assert found["settings"] == [{"key": "infer.steps", "a": 8, "b": 32}]
    (pair,) = found["results"]
    assert (pair["a"]["name"], pair["b"]["metrics"]["R"]) == ("a/default/star", 0.02)


def test_a_run_whose_spec_is_gone_cannot_be_compared(make, refuses):
    make("a"), make("b").paths.resolved.unlink()
    assert "no spec is to be read here" in refuses("compare", "a", "b")
    Path("runs/b/spec.resolved.json").write_text("[]")
    assert refuses("compare", "a", "b").endswith(
        "runs/b/spec.resolved.json: this is no spec. Submit the run again, and it is written anew\n"
    )


def test_a_variant_that_the_spec_of_its_run_does_not_have_cannot_be_compared(make, refuses):
    make("a", {("infer.steps=4", "star"): {}, ("infer.steps=5", "star"): {}}, sweep=SWEEP)
    assert refuses("compare", "a/infer.steps=4", "a/infer.steps=5").endswith(
        "runs/a/spec.resolved.json: there is no variant 'infer.steps=5' in this spec. Submit the "
        "run again, and it is written anew\n"
    )


def test_settings_differ_leaf_by_leaf_and_scans_by_their_names():
    a = {"x": {"y": 1, "z": [1, 2]}, "scans": [{"name": "p", "crop": 1}, {"name": "q"}]}
    b = {"x": {"y": 1, "z": [1, 3]}, "scans": [{"name": "q"}, {"name": "p", "crop": 2}]}
    assert list(differing(a, b)) == [
        Setting(key="x.z", a=[1, 2], b=[1, 3]),
        Setting(key="scans.p.crop", a=1, b=2),
    ]
    assert list(differing({"x": None}, {"x": {"y": 1}})) == [Setting(key="x", a=None, b={"y": 1})]


def named(variant, scan):
    from hpc.paths import RunPaths
    from hpc.status import Row
    from ptychopinn_batch.results.run import RunResult

    row = Row(id="t", stage="finalize", status="done")
    return RunResult(RunPaths(Path("runs"), "r"), variant, scan, row)


@pytest.mark.parametrize(
    ("a", "b", "pairs"),
    [
        ([("v", "s"), ("w", "s")], [("w", "s"), ("x", "s")], ["w/s"]),
        ([("v", "s"), ("v", "t")], [("w", "t"), ("w", "u")], ["v/t - w/t"]),  # one variant each
        ([("v", "s")], [("w", "t")], ["v/s - w/t"]),  # one result each
        ([("v", "s")], [("v", "t"), ("w", "s")], []),
        ([], [("v", "s")], []),
    ],
)
def test_results_belong_together_by_what_both_runs_have(a, b, pairs):
    found = pair_up([named(*each) for each in a], [named(*each) for each in b])
    assert [pair.name for pair in found.pairs] == pairs
    assert len(found.only_a) == len(a) - len(pairs)
    assert len(found.only_b) == len(b) - len(pairs)
