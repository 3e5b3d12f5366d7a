"""How many steps a scan takes: strong phases many, what is easy few."""

import pytest

from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.verdict.evidence import Settling
from ptychopinn_batch.verdict.examine import examine
from ptychopinn_batch.verdict.sample import Sample
from ptychopinn_batch.verdict.settling import TRIED, settling

SLOW = Settling(left={"8": 0.05, "16": 0.02, "32": 0.0102, "64": 0.01}, floor=0.008)
NOISY = Settling(left={"8": 0.0100, "16": 0.0101, "32": 0.0103, "64": 0.0110}, floor=0.0102)


def test_the_fewest_steps_that_are_about_as_good_as_any_are_enough():
    assert SLOW.enough == 32
    assert NOISY.enough == 8


@pytest.mark.parametrize(
    ("steps", "gain"),
    [(4, 0.042 / 0.0025), (8, 0.042 / 0.0025), (16, 0.012 / 0.0022), (20, 0.012 / 0.0022)],
)
def test_a_gain_is_what_is_left_beyond_noise_before_and_after(steps, gain):
    assert SLOW.gain(steps) == pytest.approx(gain)


@pytest.mark.parametrize("steps", [32, 64, 1000])
def test_enough_steps_gain_nothing_by_more(steps):
    assert SLOW.gain(steps) == 1


@pytest.mark.parametrize("steps", [1, 8, 64])
def test_what_is_noise_is_no_gain(steps):
    assert NOISY.gain(steps) == 1


def test_strong_phases_take_more_steps_than_weak_ones(stored, network):
    def found(phase_range):
        size = {"frames": 100, "frame_size": 32, "step": 3.0, "seed": 3}
        scan = Simulation(**size, phase_range=phase_range)
        return settling(Sample.of(stored(simulate_scan(scan)), network))

    weak, strong = found(0.5), found(12.0)
    assert list(strong.left) == [str(steps) for steps in TRIED]
    assert weak.enough < strong.enough
    assert strong.left[str(strong.enough)] < 0.9 * strong.left["8"]
    assert 0 < strong.floor < strong.left["64"]


def test_what_takes_seconds_tells_how_far_it_is(raw, stored, network):
    told = []
    examine(stored(raw), network, lambda done, total: told.append(done / total))
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] <= 1
