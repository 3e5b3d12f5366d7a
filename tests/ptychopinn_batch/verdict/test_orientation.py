"""Axes and scale: the settings that are named put the positions right."""

import numpy as np
import pytest

from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers import placed
from ptychopinn_batch.verdict.judge import best_scale
from ptychopinn_batch.verdict.orientation import AXES, placements, turned, vertex


@pytest.mark.parametrize("name", AXES)
def test_axes_are_turned_as_the_settings_of_a_scan_turn_them(name):
    xy = np.random.default_rng(0).normal(size=(9, 2))
    options = Scan(path="a.npz", **{key: True for key in name.split(", ") if key})
    np.testing.assert_array_equal(turned(xy, *AXES[name]), placed.turned(xy, options))


def test_a_sound_scan_is_predicted_best_as_it_is(raw, sampled):
    found = placements(sampled(raw))
    assert min(found.axes, key=found.axes.get) == ""
    assert best_scale(found) == (1.0, 1.0)
    assert found.floor < found.stated < found.empty


@pytest.mark.parametrize(("wrong", "mend"), [("swap_xy", "swap_xy"), ("flip_x", "flip_x")])
def test_wrong_axes_are_named_by_what_mends_them(raw, sampled, wrong, mend):
    found = placements(sampled(raw, positions=turned(raw.positions, *AXES[wrong])))
    assert min(found.axes, key=found.axes.get) == mend
    assert found.gain(found.axes[mend]) > 5


@pytest.mark.parametrize("wrong", [0.75, 0.95, 1.1, 1.2])
def test_a_wrong_distance_is_named_by_the_factor_that_mends_it(raw, sampled, wrong):
    factor, gain = best_scale(placements(sampled(raw, positions=raw.positions * wrong)))
    assert factor == pytest.approx(1 / wrong, rel=0.045)  # three quarters of a step of the search
    assert gain > 2


def test_where_nothing_is_predicted_no_scale_is_looked_for(raw, sampled):
    random = np.random.default_rng(0).permutation(raw.positions)
    assert placements(sampled(raw, positions=random)).fine == {}


@pytest.mark.parametrize(
    ("values", "offset"),
    [
        ((4.0, 1.0, 0.0), 1.0),
        ((1.0, 0.0, 1.0), 0.0),
        ((9.0, 1.0, 1.0), 0.5),
        ((0.0, 1.0, 4.0), -1.0),
        ((0.0, 5.0, 1.0), -1.0),  # no valley: the lower end
        ((1.0, 1.0, 1.0), 1.0),
    ],
)
def test_a_parabola_is_least_at_its_vertex(values, offset):
    assert vertex(*values) == offset
