"""What a result is shown with: of a small scan whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from ptychopinn_batch.exports.result import Result
from ptychopinn_batch.report.draw import draw
from ptychopinn_batch.report.frames import FrameStatistics
from ptychopinn_batch.residual import residuals

SHOWN = [
    "amplitude",
    "phase",
    "probe",
    "positions",
    "mean measured",
    "mean modelled",
    "worst measured",
    "worst modelled",
]


def result_of(store, obj=None):
    canvas = store.info.canvas
    inside = (
        slice(canvas.y0, canvas.y0 + canvas.height),
        slice(canvas.x0, canvas.x0 + canvas.width),
    )
    truth = np.ascontiguousarray(store.reference.numpy()[inside])
    return Result(
        title="small",
        store=store,
        canvas=canvas,
        object=truth if obj is None else obj(truth),
        seen=np.ones(canvas.shape, bool),
        weight=np.ones(canvas.shape, np.float32),
    )


def drawn(result):
    frames = FrameStatistics()
    found = residuals(result.store, result.filled, result.canvas, look=frames.see)
    return draw(result, frames, key="k"), frames, found


@pytest.fixture(scope="module")
def truth(small_store):
    return drawn(result_of(small_store))


def test_everything_is_shown_and_said_in_words(truth):
    report, _, _ = truth
    assert [panel.name for panel in report.panels] == SHOWN
    assert all(panel.alt and panel.title for panel in report.panels)
    assert report.key == "k"


def test_frames_have_the_residual_of_the_whole_between_them(truth):
    _, frames, found = truth
    assert frames.residuals.min() < found.fitted < frames.residuals.max()
    assert np.median(frames.residuals) == pytest.approx(found.fitted, rel=0.3)


def test_measured_and_modelled_patterns_are_near_each_other_for_the_truth(truth):
    _, frames, _ = truth
    mean = frames.mean
    assert np.abs(mean.measured - mean.model).sum() < 0.05 * mean.measured.sum()
    assert mean.measured.argmax() // 32 in range(12, 21)  # DC is in the middle


def test_the_truth_agrees_with_its_reference_at_every_frequency(truth):
    report, _, _ = truth
    (rings,) = report.curves
    assert rings.name == "Fourier ring correlation with the reference"
    assert min(value for _, value in rings.points) > 0.99


def test_noise_in_the_object_is_seen_in_the_ring_correlation(small_store):
    random = np.random.default_rng(0)

    def noisy(obj):
        noise = random.normal(size=(2, *obj.shape)) * 0.3
        return (obj + noise[0] + 1j * noise[1]).astype(np.complex64)

    (rings,) = drawn(result_of(small_store, noisy))[0].curves
    assert rings.points[-1][1] < 0.5


@pytest.mark.parametrize("pixel", [10e-9, 0.4e-6])
def test_a_bar_is_as_long_as_it_says(small_store, pixel):
    result = result_of(small_store)
    canvas = result.canvas.model_copy(update={"pixel_size_m": pixel})
    panel = drawn(replace(result, canvas=canvas))[0].panels[0]
    number, unit = panel.scale.text.split()
    length = float(number) * {"nm": 1e-9, "µm": 1e-6}[unit]
    assert panel.scale.share * canvas.width * pixel == pytest.approx(length)
    assert "µm wide" in panel.alt


def test_without_a_pixel_size_there_is_no_bar(small_store):
    result = result_of(small_store)
    canvas = result.canvas.model_copy(update={"pixel_size_m": None})
    assert {panel.scale for panel in drawn(replace(result, canvas=canvas))[0].panels} == {None}
