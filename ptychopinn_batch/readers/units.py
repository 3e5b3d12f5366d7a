"""Units as files name them, to metres and electronvolts; and what numbers are plausible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hpc.errors import UserError
from ptychopinn_batch.readers.recording import Optics, Unit

EV = 1.602176634e-19  # joule (SI, exact)

LENGTHS: Mapping[str, float] = {
    **dict.fromkeys(("m", "meter", "metre", "meters", "metres"), 1.0),
    **dict.fromkeys(("mm", "millimeter", "millimetre", "millimeters", "millimetres"), 1e-3),
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer", "micrometers"), 1e-6),
    **dict.fromkeys(("nm", "nanometer", "nanometre", "nanometers", "nanometres"), 1e-9),
    **dict.fromkeys(("a", "å", "angstrom", "angstroms"), 1e-10),
    "pm": 1e-12,
    "cm": 1e-2,
}
PIXELS = ("px", "pixel", "pixels")
ENERGIES: Mapping[str, float] = {
    "ev": 1.0,
    "kev": 1e3,
    "mev": 1e6,
    **dict.fromkeys(("j", "joule", "joules"), 1 / EV),
}

# Beyond these a number has another unit than it should.
PLAUSIBLE = {
    "energy_ev": (1.0, 1e6, "eV"),
    "distance_m": (1e-4, 1e3, "m"),
    "detector_pixel_m": (1e-7, 1e-2, "m"),
}
WRITE_UNIT = "Write position_unit: px, m, mm, um or nm"
SQUARE = 1e-3  # relative difference of pixel sides that is still a square


def position_unit(word: str | None, where: str) -> tuple[Unit, float]:
    """Pixels or metres, and what to multiply positions by; UserError where nobody says so."""
    if not word:
        raise UserError("these positions have no unit", where=where, mend=WRITE_UNIT)
    if word.strip().casefold() in PIXELS:
        return "px", 1.0
    factor = length_factor(word)
    if factor is None:
        what = f"their unit is {word!r}, which is not known here"
        raise UserError(what, where=where, mend=WRITE_UNIT)
    return "m", factor


def length_factor(unit: str) -> float | None:
    """Metres of a unit; None where it is none of length."""
    return LENGTHS.get(unit.strip().casefold())


def energy_factor(unit: str) -> float | None:
    """Electronvolts of a unit; None where it is none of energy."""
    return ENERGIES.get(unit.strip().casefold())


def check_optics(optics: Optics, where: str) -> Optics:
    """The same; UserError where a number cannot be what it is said to be."""
    for name, (low, high, unit) in PLAUSIBLE.items():
        value = getattr(optics, name)
        if value is not None and not low <= value <= high:  # NaN is not
            what = f"{name} is {value:.6g} {unit}, which is beyond {low:g} to {high:g} {unit}"
            mend = f"Correct its unit in the file, or write {name} in the spec"
            raise UserError(what, where=where, mend=mend)
    return optics


def square_side(sides: Sequence[float | None], where: str) -> float | None:
    """The side of square pixels of (width, height); UserError for others."""
    width, height = sides
    if width is None or height is None:
        return width if height is None else height
    if not abs(width - height) <= SQUARE * abs(width):
        what = f"detector pixels are {width:g} m x {height:g} m, not square"
        raise UserError(what, where=where, mend="Resample the frames to square pixels")
    return width
