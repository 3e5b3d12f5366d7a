"""What evidence comes to: a judgement, reasons, and a mend for each fault."""

import pytest

from ptychopinn_batch.metrics import Residuals
from ptychopinn_batch.verdict.evidence import (
    Evidence,
    Explained,
    Frames,
    Halves,
    Placements,
    Positions,
    Probe,
    Sampling,
    Settling,
)
from ptychopinn_batch.verdict.findings import Finding, Verdict
from ptychopinn_batch.verdict.judge import best_scale, judge_scan
from ptychopinn_batch.verdict.orientation import AXES, SCALES
from ptychopinn_batch.verdict.result import judge_result

NOISY = Explained(before=0.0051, after=0.0050, floor=0.005)
UNFIT = Explained(before=0.05, after=0.02, floor=0.005)


def evidence(**changes):
    """Of a sound scan, but for some figures, named part__figure or part."""
    parts = {
        "placements": Placements(
            empty=0.1,
            floor=0.005,
            axes={name: 0.09 if name else 0.006 for name in AXES},
            scales={f"{factor:g}": 0.04 for factor in SCALES},
            fine={"1.000": 0.006, "0.942": 0.02, "1.062": 0.02},
        ),
        "halves": Halves(limit=0.7, low=0.99, resolution_m=None),
        "errors": Frames(
            excess=1.02,
            odd=0.0,
            dark=0.0,
            repeated=0.0,
            dead=0,
            hot=0,
            dead_at=(),
            hot_at=(),
            clipped=0.0,
            blur_gain=0.0,
            blur_px=0.0,
        ),
        "positions": Positions(explained=NOISY, shift_rms=0.05, linear=0.0, stretch=1.0, turn=0.0),
        "probe": Probe(explained=NOISY, change=0.01, offset=0.0, border=0.0),
        "sampling": Sampling(
            overlap=0.7, oversampling=4.0, redundancy=20.0, photons=1e6, counts=True
        ),
    }
    for name, value in changes.items():
        part, _, figure = name.partition("__")
        parts[part] = parts[part].model_copy(update={figure: value}) if figure else value
    return Evidence(frames=100, **parts)


def axes(stated, **others):
    """Residuals of frames left out; 0.09 with all axes but these."""
    return {**dict.fromkeys(AXES, 0.09), "": stated, **others}


UNFIT_POSITIONS = {"positions__explained": UNFIT, "probe__explained": UNFIT}


def test_a_sound_scan_is_good_and_says_why():
    found = judge_scan(evidence())
    assert found.judgement == "good"
    assert "two halves agree up to 0.70 of Nyquist" in found.findings[0].reason


@pytest.mark.parametrize(
    ("changes", "judgement", "fault", "mend"),
    [
        ({"placements__axes": axes(0.08, swap_xy=0.01)}, "bad", "axes", "swap_xy: true"),
        (
            {"placements__axes": axes(0.06, **{"swap_xy, flip_y": 0.006})},
            "bad",
            "axes",
            "swap_xy: true, flip_y: true",
        ),
        (
            {"placements__axes": axes(0.06), "placements__fine": {"1.000": 0.06, "0.800": 0.006}},
            "bad",
            "pixel size",
            "distance_m by 1.25",
        ),
        (
            {"positions__shift_rms": 3.1, "positions__explained": UNFIT},
            "bad",
            "positions",
            "position_error: 4",
        ),
        (
            {
                "positions__stretch": 1.05,
                "positions__linear": 0.8,
                "positions__explained": UNFIT,
            },
            "doubtful",
            "pixel size",
            "distance_m by 0.95",
        ),
        (
            {"probe__change": 0.3, **UNFIT_POSITIONS, "positions__shift_rms": 0.1},
            "bad",
            "probe",
            "refine: {probe: true}",
        ),
        ({"probe__offset": 0.3}, "bad", "probe", "Centre the probe"),
        (
            {"errors__blur_gain": 0.8, "positions__explained": UNFIT},
            "bad",
            "coherence",
            "modes: 3",
        ),
        (
            {"errors__dead": 2, "errors__dead_at": ((1, 2), (3, 4))},
            "doubtful",
            "dead pixels",
            "files.mask",
        ),
        ({"errors__hot": 1, "errors__hot_at": ((1, 2),)}, "doubtful", "hot pixels", "files.mask"),
        ({"errors__clipped": 0.5}, "bad", "saturation", "Attenuate"),
        ({"errors__dark": 0.05}, "doubtful", "dark frames", "Leave them out"),
        ({"errors__repeated": 0.2}, "bad", "repeated frames", "Leave them out"),
        ({"errors__odd": 0.1}, "doubtful", "odd frames", "Leave them out"),
        ({"sampling__overlap": 0.2}, "bad", "overlap", "smaller steps"),
        ({"sampling__photons": 20.0}, "bad", "photons", "Expose longer"),
        (
            {"placements__axes": axes(0.09), "placements__fine": {}},
            "bad",
            "positions",
            "units and pairing",
        ),
        (
            {"placements__axes": axes(0.09), "placements__fine": {}, **UNFIT_POSITIONS},
            "bad",
            "prediction",
            "units, axes",
        ),
        (
            {"placements__axes": axes(0.09), "sampling__overlap": 0.4},
            "bad",
            "prediction",
            "units, axes",
        ),
        (  # the further apart the better: no scale is right
            {"placements__fine": {"1.000": 0.03, "1.400": 0.02, "1.487": 0.01}},
            "bad",
            "probe",
            "refine: {probe: true}",
        ),
        ({"halves__limit": 0.05}, "doubtful", "halves", "smaller steps"),
    ],
)
def test_a_fault_is_named_with_what_mends_it(changes, judgement, fault, mend):
    found = judge_scan(evidence(**changes))
    assert found.judgement == judgement, found
    assert found.findings[0].fault == fault, found
    assert mend in found.findings[0].mend


@pytest.mark.parametrize(
    ("changes", "mend"),
    [
        (
            {"probe__change": 0.3, **UNFIT_POSITIONS, "positions__shift_rms": 0.1},
            "Write a larger refine.steps, or a better probe",
        ),
        (
            {**UNFIT_POSITIONS, "positions__shift_rms": 1.4},
            "Write refine.positions: true, with a larger refine.steps or position_error",
        ),
    ],
)
def test_a_scan_that_was_refined_is_not_told_to_be_refined_but_to_go_on(changes, mend):
    found = judge_scan(evidence(**changes), refined=True)
    assert found.findings[0].mend == mend
    assert found.findings[0].judgement == judge_scan(evidence(**changes)).findings[0].judgement


def test_what_follows_from_wrong_axes_is_not_named_again():
    tried = axes(0.09, swap_xy=0.006)
    found = judge_scan(
        evidence(placements__axes=tried, positions__shift_rms=3.0, **UNFIT_POSITIONS)
    )
    assert [finding.fault for finding in found.findings] == ["axes"]


def test_shifts_that_explain_nothing_beyond_noise_are_no_fault():
    assert judge_scan(evidence(positions__shift_rms=3.0)).judgement == "good"


def test_few_photons_are_no_fault_of_frames_that_hold_no_counts():
    assert judge_scan(evidence(sampling__photons=1.0, sampling__counts=False)).judgement == "good"


def test_the_worst_finding_comes_first_and_decides():
    first = Finding(fault="overlap", judgement="doubtful", reason="a")
    second = Finding(fault="axes", judgement="bad", reason="b")
    found = Verdict.of((first, second))
    assert (found.judgement, found.findings) == ("bad", (second, first))


def judged(
    fitted=0.012, held_out=0.014, noise=0.006, empty=0.06, coverage=1.0, scan=None, steps=None
):
    residuals = Residuals(fitted=fitted, empty=empty, noise=noise)
    return judge_result(residuals, held_out, coverage, scan, steps)


def test_a_result_of_too_few_steps_is_doubtful_and_told_how_many_are_enough():
    slow = Settling(left={"8": 0.05, "16": 0.02, "32": 0.01, "64": 0.01}, floor=0.006)
    scan = evidence().model_copy(update={"settling": slow})
    found = judged(scan=scan, steps=16)
    assert found.judgement == "doubtful"
    assert found.findings[0].reason == "32 steps would leave 3.5 times less of what is beyond noise"
    assert found.findings[0].mend == "Write infer.steps: 32"
    assert judged(scan=scan, steps=32).judgement == "good"
    assert judged(scan=scan).judgement == "good"  # a network that takes no steps


def test_steps_that_would_explain_a_thousandth_more_of_the_light_are_not_asked_for():
    slow = Settling(left={"8": 0.0012, "16": 0.0009, "32": 0.0003, "64": 0.0003}, floor=0.0002)
    assert slow.gain(16) > 5
    scan = evidence().model_copy(update={"settling": slow})
    assert judged(scan=scan, steps=16).judgement == "good"


def test_frames_explained_to_near_the_counting_noise_are_good():
    found = judged()
    assert found.judgement == "good"
    reasons = [finding.reason for finding in found.findings]
    assert reasons == ["R_held_out = 0.01400, 0.00800 above counting noise"]


@pytest.mark.parametrize(
    ("case", "expected", "reason"),
    [
        ({"held_out": 0.04, "fitted": 0.03}, "doubtful", "above counting noise"),
        ({"held_out": 0.3, "fitted": 0.3, "empty": 2.0}, "bad", "above counting noise"),
        ({"held_out": 0.0605, "fitted": 0.06}, "bad", "little of the frames is explained"),
        ({"held_out": float("nan")}, "bad", "not a finite number"),
        ({"held_out": 0.024, "fitted": 0.0062}, "doubtful", "much worse than the others"),
        ({"coverage": 0.8}, "doubtful", "only 80% of the scanned area"),
        ({"coverage": 0.2}, "bad", "only 20% of the scanned area"),
        ({"held_out": None}, "unknown", "no frames were held out"),
        ({"noise": None}, "good", "noise unknown"),
    ],
)
def test_a_verdict_on_a_result_names_its_reason(case, expected, reason):
    found = judged(**case)
    assert found.judgement == expected
    assert any(reason in finding.reason for finding in found.findings), found


def test_a_bad_finding_outweighs_an_unknown_one():
    assert judged(held_out=None, fitted=0.5, empty=2.0).judgement == "bad"


def test_a_result_of_a_faulty_scan_is_as_bad_as_the_scan():
    scan = evidence(placements__axes=axes(0.09, swap_xy=0.006))
    found = judged(scan=scan)
    assert (found.judgement, found.findings[0].fault) == ("bad", "axes")
    assert judged(scan=evidence()).judgement == "good"


# Scales


def scales(**left):
    """The verdict on the scale by what other factors leave of 0.1, x0_8 being 0.8."""
    fine = {name[1:].replace("_", "."): value for name, value in left.items()}
    return best_scale(evidence(placements__fine=fine).placements)


@pytest.mark.parametrize(
    ("left", "factor", "at_least"),
    [
        ({"x1_000": 0.01, "x0_950": 0.03}, 1.0, 1.0),  # as the scan says
        ({"x1_000": 0.03, "x0_833": 0.006, "x0_940": 0.01}, 0.833, 20.0),
        ({"x1_000": 0.012, "x1_050": 0.008}, 1.05, 2.0),  # a small error, which is seen
        ({"x1_000": 0.03, "x1_010": 0.006}, 1.0, 1.0),  # too near to be an error
        ({"x1_000": 0.0055, "x1_080": 0.0050}, 1.0, 1.0),  # of nothing there is nothing to gain
        ({}, 1.0, 1.0),  # no scale predicts anything
    ],
)
def test_a_scale_is_wrong_where_another_predicts_more(left, factor, at_least):
    found, gain = scales(**left)
    assert found == factor
    assert gain >= at_least


def test_what_may_be_noise_alone_says_nothing_of_the_scale():
    """A faint scan: what is left is near its floor, and so is what another factor would gain."""
    fine = {"1.000": 0.0256, "0.890": 0.0254}
    faint = evidence(placements__fine=fine, placements__empty=0.04, placements__floor=0.0253)
    assert best_scale(faint.placements) == (1.0, 1.0)
    wrong = faint.placements.model_copy(update={"fine": {**fine, "1.000": 0.03}})
    assert best_scale(wrong)[0] == 0.89
