"""What the evidence of a scan means: faults, each with a reason and a mend. Pure.

A scan's faults hide each other: with wrong axes no positions, probe or coherence can be right. So
the geometry is judged first, and what follows from a fault that was named is not named again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ptychopinn_batch.verdict.evidence import STATED, Evidence, Placements
from ptychopinn_batch.verdict.findings import Fault, Finding, Verdict, finding
from ptychopinn_batch.verdict.limits import (
    AXES,
    BLUR,
    BORDER,
    CLEAR,
    CLIPPED,
    DARK,
    FARTHEST,
    HALVES,
    LINEAR,
    MEANT,
    NEAR,
    ODD,
    OFFSET,
    OVERLAP,
    PHOTONS,
    PREDICTS,
    PROBE_CHANGE,
    PROBE_SHARE,
    REDUNDANCY,
    REPEATED,
    SCALE,
    SCALE_LEAST,
    SHIFT,
    SHIFT_SHARE,
    STRETCH,
    UNEXPLAINED,
    Limits,
    from_,
    mildest,
    upto,
    worst,
)

SPOILING: tuple[Fault, ...] = ("saturation", "dark frames", "repeated frames")
ORIENT = "Write {keys} for the scan (and undo what it says of them already)"


def judge_scan(evidence: Evidence, *, refined: bool = False) -> Verdict:
    """The verdict on a scan, from a sample of its frames. refined: probe and positions are those
    that a refinement has found."""
    frames = [*_frames(evidence)]
    spoilt = any(found.judgement == "bad" and found.fault in SPOILING for found in frames)
    named = [*frames, *_geometry(evidence, spoilt=spoilt), *_enough(evidence)]
    named += _agreement(evidence, known=any(found.judgement == "bad" for found in named))
    return Verdict.of(tuple(map(_further, named) if refined else named) or (_sound(evidence),))


def _further(found: Finding) -> Finding:
    """To refine is no advice where that was done, but to go on with it is."""
    mend = FURTHER.get(found.fault) if "refine" in found.mend else None
    return found.model_copy(update={"mend": mend}) if mend else found


def _geometry(evidence: Evidence, *, spoilt: bool) -> Iterator[Finding]:
    """Axes, scale, coherence, then what explains more, positions or probe; one that is bad hides
    those after it.

    spoilt: frames are such that no model can explain them.
    """
    likely = (_positions, _probe)
    if evidence.probe.explained.share > evidence.positions.explained.share:
        likely = (_probe, _positions)
    for question in (_axes, _scale) if spoilt else (_axes, _scale, _coherence, *likely):
        found = question(evidence)
        if found is None:
            continue
        yield found
        if found.judgement == "bad":
            return


def _axes(evidence: Evidence) -> Finding | None:
    tried = evidence.placements
    keys = min(tried.axes, key=lambda name: tried.axes[name])
    gain = tried.gain(tried.axes[keys])
    judgement = upto(gain, AXES)
    if not keys or judgement == "good" or not _predicts(tried, tried.axes[keys]):
        return None
    text = f"frames left out are predicted {gain:.1f} times better with {keys}: axes are wrong"
    mend = ORIENT.format(keys=", ".join(f"{key}: true" for key in keys.split(", ")))
    return finding("axes", judgement, text, mend)


def _scale(evidence: Evidence) -> Finding | None:
    """By its predictions; or by the shifts of all frames, which see smaller errors."""
    factor, gain = best_scale(evidence.placements)
    judgement = upto(gain, SCALE)
    stretch = evidence.positions.stretch
    if judgement == "good":
        is_stretch = abs(stretch - 1) >= STRETCH and evidence.positions.linear > LINEAR
        if not (is_stretch and _shifts_mean(evidence)):
            return None
        factor, judgement = stretch, "doubtful"
    text = f"frames fit together better where positions are {factor:.2f} times as far apart"
    if not FARTHEST[0] < factor < FARTHEST[1]:
        text += " and more: the probe's defocus is wrong, or the pixel size by far"
        return finding("probe", judgement, text, DEFOCUS)
    mend = (
        f"Multiply distance_m by {1 / factor:.2f}, or correct energy_ev, detector_pixel_m or "
        "position_unit: the object's pixel follows from them"
    )
    return finding("pixel size", judgement, text, mend)


def best_scale(tried: Placements) -> tuple[float, float]:
    """The factor of the best scale, and how many times better it predicts; 1 where it is as good
    as another, or too near to be told from it."""
    if not tried.fine:
        return 1.0, 1.0
    name = min(tried.fine, key=lambda factor: tried.fine[factor])
    stated, least = tried.fine[STATED], tried.fine[name]
    differs = abs(math.log(float(name))) >= NEAR and stated > CLEAR * tried.floor
    if not differs or tried.share(stated) - tried.share(least) < SCALE_LEAST:
        return 1.0, 1.0
    return float(name), tried.gain(least, stated)


def _predicts(tried: Placements, left: float) -> bool:
    """Whether a placement explains frames left out at all: of two that do not, none is right."""
    return tried.share(left) < PREDICTS


def _shifts_mean(evidence: Evidence) -> bool:
    """Whether there is something to be explained, and shifts of the frames explain it."""
    found = evidence.positions.explained
    return _meant(evidence) and found.share >= SHIFT_SHARE


def _positions(evidence: Evidence) -> Finding | None:
    found = evidence.positions
    judgement = upto(found.shift_rms, SHIFT)
    if judgement == "good" or not _shifts_mean(evidence):
        return None
    text = (
        f"frames shifted by {found.shift_rms:.2f} px r.m.s. leave {found.explained.share:.0%} less "
        "beyond noise: positions are off"
    )
    size = max(1, math.ceil(found.shift_rms))
    mend = f"Write refine: {{positions: true, position_error: {size}}}"
    return finding("positions", judgement, text, mend)


def _probe(evidence: Evidence) -> Finding | None:
    found = evidence.probe
    moved = worst(upto(found.offset, OFFSET), "doubtful" if found.border > BORDER else "good")
    judgement = mildest(upto(found.explained.share, PROBE_SHARE), upto(found.change, PROBE_CHANGE))
    if judgement != "good" and _meant(evidence):
        text = (
            f"another probe, {found.change:.0%} off the given one, leaves "
            f"{found.explained.share:.0%} less beyond noise: the probe is wrong"
        )
        return finding("probe", judgement, text, "Write refine: {probe: true}, or a better probe")
    if moved != "good":
        text = (
            f"the probe's light lies {found.offset:.0%} of the frame off its middle, "
            f"{found.border:.1%} of it at the border"
        )
        return finding("probe", moved, text, "Centre the probe in its frame, or crop less")
    return None


def _coherence(evidence: Evidence) -> Finding | None:
    found = evidence.errors
    judgement = upto(found.blur_gain, BLUR)
    if judgement == "good" or not _meant(evidence):
        return None
    text = (
        f"frames are blurred: {found.blur_px:g} px explain {found.blur_gain:.0%} of what is beyond "
        "noise (partial coherence, or vibration)"
    )
    return finding("coherence", judgement, text, "Write refine: {probe: true, modes: 3}")


def _meant(evidence: Evidence) -> bool:
    """Whether the frames leave more than noise."""
    found = evidence.positions.explained
    return found.before > MEANT[0] * found.floor and found.before - found.floor > MEANT[1]


def _frames(evidence: Evidence) -> Iterator[Finding]:
    found = evidence.errors
    yield from _pixels("dead pixels", found.dead, found.dead_at, "count next to nothing")
    yield from _pixels("hot pixels", found.hot, found.hot_at, "count far too much")
    shares: tuple[tuple[Fault, float, Limits, str, str], ...] = (
        ("saturation", found.clipped, CLIPPED, "have pixels that are full", MASK_FULL),
        ("dark frames", found.dark, DARK, "hold no light", LEAVE_OUT),
        ("repeated frames", found.repeated, REPEATED, "equal another one exactly", LEAVE_OUT),
        ("odd frames", found.odd, ODD, "are explained far worse than the others", LEAVE_OUT),
    )
    for fault, share, limits, text, mend in shares:
        judgement = upto(share, limits)
        if judgement != "good":
            yield finding(fault, judgement, f"{share:.0%} of the frames {text}", mend)


def _pixels(
    fault: Fault, count: int, places: tuple[tuple[int, int], ...], what: str
) -> Iterator[Finding]:
    if count:
        named = ", ".join(map(str, places)) + (" and others" if count > len(places) else "")
        text = f"{count} detector pixels {what}: (row, column) {named}"
        yield finding(fault, "doubtful", text, "Write files.mask, nonzero in these pixels")


def _enough(evidence: Evidence) -> Iterator[Finding]:
    found = evidence.sampling
    judgement = from_(found.overlap, OVERLAP)
    if judgement != "good":
        text = f"neighbours overlap by {found.overlap:.0%} only: 60 % and more is usual"
        yield finding("overlap", judgement, text, DENSER)
    elif (judgement := from_(found.redundancy, REDUNDANCY)) != "good":
        text = f"{found.redundancy:.1f} measured numbers for each unknown one"
        yield finding("overlap", judgement, text, DENSER)
    judgement = from_(found.photons, PHOTONS)
    if found.counts and judgement != "good":
        text = f"a frame holds {found.photons:.3g} photons only"
        yield finding("photons", judgement, text, "Expose longer, or add frames up")


def _agreement(evidence: Evidence, *, known: bool) -> Iterator[Finding]:
    """What is wrong without a name, where no other fault explains it."""
    tried, halves = evidence.placements, evidence.halves
    fault, also, mend = _unnamed(evidence)
    left = tried.share(tried.stated)
    judgement = upto(left, UNEXPLAINED)
    if judgement != "good" and not known:
        text = f"frames left out keep {left:.0%} of what an empty object leaves of them{also}"
        yield finding(fault, judgement, text, mend)
    if halves is not None and halves.limit < HALVES and not known:
        text = f"objects of two halves of the frames agree up to {halves.limit:.2f} of Nyquist only"
        yield finding("halves", "doubtful", text, DENSER)


def _unnamed(evidence: Evidence) -> tuple[Fault, str, str]:
    """What keeps frames from being predicted, though nothing else was found: fault, words, mend.

    With neighbours that overlap, and no probe that explains them, only where frames lie is left.
    """
    by_probe = evidence.probe.explained.share if _meant(evidence) else 0.0
    if by_probe >= PROBE_SHARE[0] or from_(evidence.sampling.overlap, OVERLAP) != "good":
        return "prediction", "", LOOK
    what = " with all axes and scales: positions are off by far, or those of other frames"
    return "positions", what, FAR_OFF


def _sound(evidence: Evidence) -> Finding:
    halves = evidence.halves
    text = f"nothing is wrong with {evidence.frames} frames around the middle"
    if halves is not None:
        size = halves.resolution_m
        metres = f", {size:.3g} m" if size is not None else ""
        text += f"; two halves agree up to {halves.limit:.2f} of Nyquist{metres}"
    return finding("halves", "good", text)


FURTHER: dict[Fault, str] = {
    "probe": "Write a larger refine.steps, or a better probe",
    "positions": "Write refine.positions: true, with a larger refine.steps or position_error",
    "coherence": "Write more refine.modes, or a larger refine.steps",
}
"""What mends a fault of a scan that was refined already."""
DEFOCUS = "Correct the probe, or write refine: {probe: true}; else look at distance and units"
FAR_OFF = "Look at units and pairing; else write refine: {positions: true, position_error: 8}"
LOOK = "Look at units, axes, distance and probe: `inspect` shows them"
DENSER = "Scan with smaller steps, or with a larger probe"
MASK_FULL = "Attenuate the beam, or write files.mask for the full pixels"
LEAVE_OUT = "Leave them out of the file, or with select"
