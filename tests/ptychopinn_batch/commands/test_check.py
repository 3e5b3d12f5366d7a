"""`check`: what a user is told of a scan before work is spent on it."""

import json
from pathlib import Path

import numpy as np
import pytest

STAR = Path(__file__).parents[3] / "data" / "siemens_star_128.npz"
SETTINGS = {"frames": 100, "frame_size": 32, "step": 3.5, "probe_radius": 0.16, "seed": 3}


@pytest.fixture
def simulated(here, prints):
    """A sound scan in a file."""
    sets = [f"--set={key}={value}" for key, value in SETTINGS.items()]
    prints("simulate", "scan.npz", "--set=probe=ring", *sets)
    return here / "scan.npz"


def test_a_sound_scan_is_good_and_its_figures_are_shown(simulated, prints):
    text = prints("check", simulated)
    assert text.splitlines()[0] == f"{simulated}: good"
    for part in ("100 frames around the middle", "counting noise", "of Nyquist", "px r.m.s."):
        assert part in text
    assert "are enough" in text


def test_swapped_axes_are_bad_and_the_setting_that_is_told_mends_them(simulated, call, prints):
    with np.load(simulated) as arrays:
        found = dict(arrays)
    found["xcoords"], found["ycoords"] = found["ycoords"], found["xcoords"]
    found.pop("objectGuess", None)
    np.savez("swapped.npz", **found)
    code, text, _ = call("check", "swapped.npz")
    assert (code, "Write swap_xy: true" in text) == (1, True), text
    assert "are enough" not in text  # of steps: no number of them predicts anything
    assert "swapped.npz: good" in prints("check", "swapped.npz", "--set", "swap_xy=true")


def test_a_spec_is_checked_scan_by_scan(here, call):
    scan = {"simulate": {**SETTINGS, "probe": "ring"}}
    wrong = {"simulate": {**SETTINGS, "probe": "ring", "position_error": 3.0}, "name": "off"}
    Path("job.yaml").write_text(json.dumps({"version": 1, "name": "r", "scans": [scan, wrong]}))
    code, text, _ = call("check", "job.yaml", "--json")
    one, other = (json.loads(line) for line in text.splitlines())
    assert (code, one["verdict"]["judgement"], other["scan"]) == (1, "good", "off")
    assert other["verdict"]["findings"][0]["fault"] == "positions"
    assert other["evidence"]["positions"]["shift_rms"] > 1


def test_a_scan_of_a_few_frames_cannot_be_checked(simulated, refuses):
    assert "too few to tell" in refuses("check", simulated, "--set", "frames=12")


@pytest.mark.slow
def test_the_measured_star_is_good_and_bad_with_its_axes_exchanged(here, call):
    code, text, _ = call("check", STAR)
    assert (code, text.splitlines()[0]) == (0, f"{STAR}: good"), text
    code, text, _ = call("check", STAR, "--set", "swap_xy=true")
    assert (code, "swap_xy: true" in text) == (1, True), text
