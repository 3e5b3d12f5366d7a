"""Everything that an inspection finds, as one record."""

from __future__ import annotations

from hpc.record import Record


class Inspection(Record):
    """Everything that was found, None where it could not be; lengths in metres and pixels (_px).

    problems: why it will not reconstruct; warnings: why it may do so badly; notes: what else a user
    should know; missing: what the file lacks.
    """

    path: str
    format: str
    frames_in_file: tuple[int, int, int]
    dtype: str
    frames: int | None = None
    frame_px: int | None = None
    measurement: str | None = None
    looked_at: int = 0
    photons: float | None = None
    brightest_pixel: float | None = None
    bad_pixels: int | None = None
    energy_ev: float | None = None
    distance_m: float | None = None
    detector_pixel_m: float | None = None
    object_pixel_m: float | None = None
    position_unit: str | None = None
    span_px: tuple[float, float] | None = None
    step_px: float | None = None
    canvas_px: tuple[int, int] | None = None
    modes: int | None = None
    probe_diameter_px: float | None = None
    overlap: float | None = None
    coverage: float | None = None
    oversampling: float | None = None
    redundancy: float | None = None
    fresnel_number: float | None = None
    object_px: tuple[int, int] | None = None
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Whether it will reconstruct, in a few words."""
        if self.problems:
            return "This scan will not reconstruct as it is"
        return "This scan may reconstruct badly" if self.warnings else "This scan will reconstruct"
