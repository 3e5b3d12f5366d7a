"""What is kept of frames: each one's residual, mean patterns, the worst one; block by block."""

import numpy as np
import torch

from ptychopinn_batch.report.frames import FrameStatistics


def blocks(*sizes):
    random = torch.Generator().manual_seed(3)
    return [
        tuple(
            torch.rand(2, size, 8, 8, generator=random)
            + torch.tensor([0.5, 0.0])[:, None, None, None]
        )
        for size in sizes
    ]


def seen(pairs):
    statistics = FrameStatistics()
    for model, measured in pairs:
        statistics.see(model, measured)
    return statistics


def test_residuals_are_those_of_each_frame_in_order():
    pairs = blocks(3, 2)
    expected = [
        float((m - a).square().sum() / a.square().sum())
        for model, measured in pairs
        for m, a in zip(model, measured, strict=True)
    ]
    np.testing.assert_allclose(seen(pairs).residuals, expected, rtol=1e-5)


def test_blocks_do_not_matter():
    ((model, measured),) = blocks(6)
    whole, parts = (
        seen([(model, measured)]),
        seen(zip(model.split(4), measured.split(4), strict=True)),
    )
    np.testing.assert_allclose(whole.mean.model, parts.mean.model, rtol=1e-6)
    np.testing.assert_allclose(whole.residuals, parts.residuals)
    assert whole.worst_row == parts.worst_row


def test_patterns_are_counts_with_dc_in_the_middle():
    measured = torch.zeros(2, 8, 8)
    measured[:, 0, 0] = torch.tensor([3.0, 1.0])
    found = seen([(measured * 2, measured)])
    assert found.mean.measured[4, 4] == 5
    assert found.mean.model[4, 4] == 20


def test_the_worst_frame_is_shown_as_measured_and_as_modelled():
    measured = torch.ones(5, 8, 8)
    model = measured.clone()
    model[3] += 1
    found = seen([(model[:2], measured[:2]), (model[2:], measured[2:])])
    assert found.worst_row == 3
    assert (found.worst.model == 4).all()
    assert (found.worst.measured == 1).all()


def test_a_dark_frame_is_never_the_worst():
    measured = torch.ones(2, 8, 8)
    measured[0] = 0
    found = seen([(torch.ones(2, 8, 8) * 1.5, measured)])
    assert np.isnan(found.residuals[0])
    assert found.worst_row == 1


def test_of_nothing_there_is_nothing():
    found = FrameStatistics()
    assert (found.mean, found.worst, found.worst_row, len(found.residuals)) == (None, None, None, 0)
