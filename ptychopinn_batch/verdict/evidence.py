"""What was measured of a scan to judge it. Figures only; what they mean stands in `judge`.

Residuals are sum (|model| - amplitude)^2 / sum amplitude^2, floors what counting noise alone leaves
(0 where frames are no counts).
"""

from __future__ import annotations

from pydantic import Field

from hpc.record import Record

WORTHWHILE = 0.05  # relative change of a residual that is one
STATED = "1.000"  # the factor of a scale that is as the scan says


class Explained(Record):
    """Fitted residuals before and after something was found from the frames, and their floor."""

    before: float
    after: float
    floor: float

    @property
    def share(self) -> float:
        """Share of what is beyond the floor that it explains."""
        excess = self.before - self.floor
        return 1 - max(self.after - self.floor, 0.0) / excess if excess > 0 else 0.0


class Placements(Record):
    """Residuals of left-out frames, with positions as they are and placed otherwise.

    axes: by the settings that exchange or negate them, "" being as they are; scales: by factors;
    fine: by factors around the best of them, STATED among them, of objects made with more steps.
    """

    empty: float
    floor: float
    axes: dict[str, float]
    scales: dict[str, float]
    fine: dict[str, float] = Field(default_factory=dict)

    @property
    def stated(self) -> float:
        """As the scan says."""
        return self.axes[""]

    def gain(self, other: float, stated: float | None = None) -> float:
        """How many times less another placement leaves beyond the floor."""
        excess = (self.stated if stated is None else stated) - self.floor
        return excess / max(other - self.floor, max(excess, 0.0) / 1000 + 1e-9)

    def share(self, left: float) -> float:
        """What a residual leaves beyond the floor, of what an empty object leaves."""
        return (left - self.floor) / max(self.empty - self.floor, 1e-9)


class Halves(Record):
    """Ring correlation of objects from every other frame each.

    limit: where it falls below one half, of the Nyquist frequency; low: mean over the lowest
    rings; resolution_m: the half period of that frequency, None without a pixel size.
    """

    limit: float
    low: float
    resolution_m: float | None


class Frames(Record):
    """Errors of single frames and detector pixels, of the sample's object.

    excess: median over frames of residual over floor, None without counts; odd: share of frames
    whose residual is far from that of the others; dark, repeated: shares of frames; dead, hot:
    numbers of detector pixels, with the (row, column) of the first of them, DC in the middle;
    clipped: share of frames with pixels at the scan's largest value where the model has more;
    blur_gain: share of the residual that a blur of the detector explains, blur_px: its width.
    """

    excess: float | None
    odd: float
    dark: float
    repeated: float
    dead: int
    hot: int
    dead_at: tuple[tuple[int, int], ...] = Field(strict=False)
    hot_at: tuple[tuple[int, int], ...] = Field(strict=False)
    clipped: float
    blur_gain: float
    blur_px: float


class Positions(Record):
    """What a shift of every frame explains; shifts in object pixels.

    shift_rms: of what is left of the shifts when a linear map of all positions is taken out;
    linear: the share of the shifts' variance that is in that map; stretch (a factor), turn [deg]:
    of it.
    """

    explained: Explained
    shift_rms: float
    linear: float
    stretch: float
    turn: float


class Probe(Record):
    """What another probe explains; change: its distance from the stored one, relative; offset: of
    its light from the frame's middle, of the frame's size; border: share of light at the border."""

    explained: Explained
    change: float
    offset: float
    border: float


class Sampling(Record):
    """Overlap, oversampling and redundancy: see `inspection`; photons: mean of a frame."""

    overlap: float
    oversampling: float
    redundancy: float
    photons: float
    counts: bool


class Settling(Record):
    """Residuals of left-out frames by the number of steps that the object took, and their floor."""

    left: dict[str, float]
    floor: float

    @property
    def enough(self) -> int:
        """The fewest steps that leave about as little as any."""
        most = (1 + WORTHWHILE) * min(self.left.values())
        return min(int(steps) for steps, left in self.left.items() if left <= most)

    def saved(self, steps: int) -> float:
        """How much less `enough` steps leave than so many; 0 where these are enough."""
        return self._after(steps) - self._after(max(steps, self.enough))

    def gain(self, steps: int) -> float:
        """How many times less they leave beyond the floor; 1 where so many are enough."""
        left, least = self._after(steps), self._after(max(steps, self.enough))
        little = WORTHWHILE * left
        return max(left - self.floor, little) / max(least - self.floor, little)

    def _after(self, steps: int) -> float:
        """What is left after the largest number of steps tried that is no larger."""
        tried = sorted(map(int, self.left))
        return self.left[str(max((each for each in tried if each <= steps), default=tried[0]))]


class Evidence(Record):
    """All of it, of a sample of the frames around the middle of the scan."""

    frames: int
    placements: Placements
    halves: Halves | None
    errors: Frames
    positions: Positions
    probe: Probe
    sampling: Sampling
    settling: Settling | None = None  # older records have none
