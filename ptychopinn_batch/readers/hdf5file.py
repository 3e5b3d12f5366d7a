"""Values of an HDF5 file: arrays, single numbers and texts, lengths and energies by their units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.data.source import PLANCK_LIGHT
from ptychopinn_batch.readers.hdf5safe import PLAIN, SafeHdf5
from ptychopinn_batch.readers.hdf5tree import Entry
from ptychopinn_batch.readers.limits import check_size
from ptychopinn_batch.readers.units import ENERGIES, energy_factor, length_factor


@dataclass(frozen=True)
class Hdf5File(SafeHdf5):
    """An HDF5 file, read value by value."""

    def entry(self, key: str) -> Entry:
        """Shape and type of a dataset."""
        with self.dataset(key) as found:
            return Entry(key, tuple(int(side) for side in found.shape), found.dtype)

    def read(self, key: str) -> NDArray[Any]:
        """A whole dataset of numbers; for small ones."""
        with self.dataset(key) as found:
            check_size(found.shape, found.dtype, self.where(key))
            return np.asarray(found[()])

    def scalar(self, key: str) -> float | None:
        """A single number, None where there is no such dataset. An array of equal ones is one."""
        if not self.has(key):
            return None
        values = np.unique(self._numbers(key))
        if len(values) != 1:
            what = f"a single number is expected here, not {len(values)} different ones"
            raise UserError(what, where=self.where(key), mend="Give one number")
        return float(values[0])

    def _numbers(self, key: str) -> NDArray[Any]:
        values = self.read(key)
        if values.dtype.kind not in "iuf":
            what = f"a number is expected here, not {values.dtype}"
            raise UserError(what, where=self.where(key), mend=PLAIN)
        return values

    def attribute(self, key: str, name: str) -> float | None:
        """A number among the attributes of a dataset or group ("/": of the file)."""
        value = self._attribute(key, name)
        if value is None:
            return None
        numbers = np.asarray(value)
        if numbers.size != 1 or numbers.dtype.kind not in "iufb":
            what = f"attribute {name} is no number"
            raise UserError(what, where=self.where(key), mend=PLAIN)
        return float(numbers.ravel()[0])

    def text(self, key: str, name: str) -> str | None:
        """A text among the attributes, None where there is none."""
        value = self._attribute(key, name)
        value = value.decode(errors="replace") if isinstance(value, bytes) else value
        return value if isinstance(value, str) else None

    def length(self, key: str) -> float | None:
        """A length in metres, by the dataset's `units`; without them it is in metres."""
        value = self.scalar(key)
        return None if value is None else value * self._factor(key, length_factor, 1.0)

    def energy(self, key: str, assumed: str) -> float | None:
        """An energy in eV, by the dataset's `units`; without them in those that are `assumed`.

        A wavelength does as well.
        """
        value, unit = self.scalar(key), self.unit(key)
        if value and unit and (metres := length_factor(unit)):
            return PLANCK_LIGHT / (value * metres)
        factor = ENERGIES[assumed]
        return None if value is None else value * self._factor(key, energy_factor, factor)

    def unit(self, key: str) -> str | None:
        """What the dataset calls its unit."""
        return self.text(key, "units") or self.text(key, "unit")

    def _factor(self, key: str, factor_of: Callable[[str], float | None], assumed: float) -> float:
        unit = self.unit(key)
        factor = assumed if unit is None else factor_of(unit)
        if factor is None:
            what = f"its unit is {unit!r}, which is not known here"
            raise UserError(what, where=self.where(key), mend="Give the number in the spec")
        return factor

    def _attribute(self, key: str, name: str) -> Any:
        with self.opened() as file, self.guarded(key):
            found = self.followed(file, key)
            return None if found is None else found.attrs.get(name)
