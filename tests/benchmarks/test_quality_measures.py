"""What the quality bench says of results whose worth is known."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from quality_bench.engines import arrays_of, outcomes_of
from quality_bench.measures import compare_halves, halves_of, judge
from quality_bench.memory import Peak
from quality_bench.methods import parse_method
from quality_bench.networks import run_network
from quality_bench.outcome import Outcome
from quality_bench.pictures import Gallery, draw_curves
from quality_bench.prepared import on_canvas, prepare
from quality_bench.scenes import simulated

SMALL = {"frames": 120, "frame_size": 32, "step": 2.5, "probe_radius": 0.2}
SCENE = simulated("small", "small", **SMALL)


@pytest.fixture(scope="module")
def prepared():
    with prepare(SCENE, 0, 0.1) as found:
        yield found


def outcome(prepared, obj, **refined):
    return Outcome(obj, dataclasses.replace(prepared.shown, **refined), 1.0, 10.0, 16)


def empty(prepared):
    return torch.ones(prepared.shown.shape, dtype=torch.complex64)


def test_held_out_frames_are_not_shown(prepared):
    assert (len(prepared.shown), len(prepared.held)) == (108, 12)
    assert prepared.is_held.sum() == 12


def test_the_truth_is_as_good_as_can_be(prepared):
    figures = judge(outcome(prepared, on_canvas(prepared.store)), prepared).figures
    assert pytest.approx(figures.R_true) == figures.R
    assert figures.R_held == pytest.approx(figures.R_held_true)
    assert figures.fidelity.phase_ssim == pytest.approx(1)
    assert figures.fidelity.frc50 == 1
    assert not figures.flat
    assert not figures.diverged


def test_an_empty_object_is_flat(prepared):
    figures = judge(outcome(prepared, empty(prepared)), prepared).figures
    assert pytest.approx(figures.R_empty) == figures.R
    assert figures.flat
    assert not figures.diverged


@pytest.mark.parametrize("wrong", [math.nan, 3.0])
def test_what_is_worse_than_nothing_has_diverged(prepared, wrong):
    judged = judge(outcome(prepared, empty(prepared) * wrong), prepared)
    assert judged.figures.diverged
    assert judged.figures.R is None or judged.figures.R_empty < judged.figures.R


def test_a_scan_with_errors_knows_what_nature_left(prepared):
    scene = simulated("wrong", "", **SMALL, position_error=2.0)
    with prepare(scene, 0, 0.1) as off:
        assert off.R_true == pytest.approx(prepared.R_true, rel=0.02)
        recorded = judge(outcome(off, on_canvas(off.store)), off).figures
        assert 3 * off.R_true < recorded.R


def test_a_network_is_given_the_shown_frames_alone(prepared):
    made = run_network(parse_method("untrained:4"), prepared.shown)
    figures = judge(made, prepared).figures
    assert 0.5 * figures.R_empty > figures.R
    assert made.epochs == 4
    assert made.seconds > 0


def test_half_scans_of_the_same_object_agree(prepared):
    one, other = halves_of(prepared.shown)
    assert len(one) == len(other) == 54
    truth = outcome(prepared, on_canvas(prepared.store))
    assert compare_halves(truth, truth, prepared).frc50 == 1
    noise = torch.randn(prepared.shown.shape, generator=torch.Generator().manual_seed(1)) * 0.2
    halves = compare_halves(truth, outcome(prepared, empty(prepared) + noise), prepared)
    assert halves.frc50 < 0.5


def test_frames_and_places_come_to_an_engine_and_back(prepared):
    sent = arrays_of(prepared.shown)
    assert sent["frames"].sum((1, 2)).mean() == pytest.approx(1e6, rel=0.05)
    found = {
        "objects": np.ones((2, *prepared.shown.shape), np.complex64),
        "probes": np.stack([sent["probe"]] * 2),
        "places": np.stack([sent["places"]] * 2),
        "seconds": np.array([1.0, 10.0]),
        "epochs": np.array([2, 21]),
        "peak_mb": np.array(5.0),
    }
    first, second = outcomes_of(found, prepared.shown)
    assert (first.seconds, second.epochs) == (1.0, 21)
    assert torch.equal(first.region.corners, prepared.shown.corners)
    assert torch.allclose(first.region.fractions, prepared.shown.fractions, atol=1e-6)


def test_pictures_show_what_was_kept(prepared, row, tmp_path):
    gallery, shown = Gallery(tmp_path / "objects"), row("untrained:4", scene="small")
    judged = judge(outcome(prepared, on_canvas(prepared.store)), prepared)
    gallery.keep(shown, judged.pair)
    assert (gallery.pair(shown).object == judged.pair.object).all()
    gallery.draw_scene([shown], tmp_path / "small.png")
    gallery.draw_overview([shown], tmp_path / "overview.png")
    draw_curves([shown, row("dm", budget=1.0, scene="small")], tmp_path / "curves.png")
    assert all(
        (tmp_path / f"{n}.png").stat().st_size > 1000 for n in ("small", "overview", "curves")
    )


def test_memory_of_one_piece_of_work_is_told():
    before = Peak()
    block = np.ones(10_000_000)
    found = before.mb()
    assert math.isnan(found) or found == pytest.approx(80, abs=20)
    assert block.any()
