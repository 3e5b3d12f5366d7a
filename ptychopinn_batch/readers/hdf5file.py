"""HDF5 files, read with care: no objects, nothing outside the file's own folder, no surprises.

HDF5 lets a file point at others: links, virtual datasets, raw data kept elsewhere. A scan may be
spread over files of its folder; a link that leads out of it is refused, for it could make any file
that the user can read look like frames.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.data.source import PLANCK_LIGHT
from ptychopinn_batch.readers.limits import check_packing, check_size
from ptychopinn_batch.readers.units import ENERGIES, energy_factor, length_factor

MOST_LISTED = 12
DEEPEST = 12  # groups within groups that are looked into
MOST_VISITED = 2000

# What h5py raises where a file is not what it should be.
DAMAGE = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    IndexError,
    UnicodeError,
    NotImplementedError,
)

_AGAIN = "Copy or write the file again"
_PLAIN = "Give an array of plain numbers"


@dataclass(frozen=True)
class Entry:
    """A dataset as its header describes it."""

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Hdf5File:
    """An HDF5 file. Whatever is wrong with it is a UserError that names file and dataset."""

    path: Path

    @contextmanager
    def opened(self) -> Iterator[h5py.File]:
        """The open file, without a lock: readers lock nobody out, and need no right to write."""
        try:
            file = h5py.File(self.path, "r", locking=False)
        except FileNotFoundError:
            mend = "Check the path; a relative one begins at the spec file"
            raise UserError("no such file", where=str(self.path), mend=mend) from None
        except DAMAGE as error:
            what = f"this HDF5 file is damaged or cut off ({_short(error)})"
            raise UserError(what, where=str(self.path), mend=_AGAIN) from None
        with file:
            yield file

    @contextmanager
    def dataset(self, key: str) -> Iterator[h5py.Dataset]:
        """An open dataset that is safe to read."""
        with self.opened() as file, self._guarded(key):
            found = self._followed(file, key)
            if not isinstance(found, h5py.Dataset):
                what = "there is no such dataset" if found is None else "this is a group, no array"
                raise UserError(what, where=self.where(key), mend=self._candidates(file))
            self._refuse_strange(found, key)
            yield found

    def has(self, key: str) -> bool:
        """Whether there is a dataset or group of that name."""
        with self.opened() as file, self._guarded(key):
            return self._followed(file, key) is not None

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
            raise UserError(what, where=self.where(key), mend=_PLAIN)
        return values

    def attribute(self, key: str, name: str) -> float | None:
        """A number among the attributes of a dataset or group ("/": of the file)."""
        value = self._attribute(key, name)
        if value is None:
            return None
        numbers = np.asarray(value)
        if numbers.size != 1 or numbers.dtype.kind not in "iufb":
            what = f"attribute {name} is no number"
            raise UserError(what, where=self.where(key), mend=_PLAIN)
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

    def where(self, key: str) -> str:
        """A dataset of this file, for messages."""
        return f"{self.path} {key}"

    def matching(self, pattern: str) -> tuple[str, ...]:
        """Datasets whose last part matches a pattern, by name; a name without one is itself."""
        parent, name = pattern.rpartition("/")[::2]
        if not set("*?[") & set(name):
            return (pattern,)
        with self.opened() as file, self._guarded(parent or "/"):
            group = self._followed(file, parent or "/")
            names = sorted(group) if isinstance(group, h5py.Group) else []
            found = tuple(f"{parent}/{one}" for one in names if fnmatch.fnmatchcase(one, name))
            if not found:
                raise UserError(
                    "no dataset matches", where=self.where(pattern), mend=self._candidates(file)
                )
        return found

    def entries(self) -> list[Entry]:
        """The numeric datasets of the file itself, links to others not followed."""
        with self.opened() as file, self._guarded("/"):
            return list(_walk(file))

    def links(self) -> list[str]:
        """Names that are links into other files."""
        with self.opened() as file, self._guarded("/"):
            return [key for key, found in _members(file) if isinstance(found, h5py.ExternalLink)]

    def companions(self, key: str) -> tuple[Path, ...]:
        """Other files that hold a part of a dataset."""
        with self.opened() as file, self._guarded(key):
            linked = [path for path in (self._linked(file, key),) if path]
            found = self._followed(file, key)
            virtual = _virtual_files(found) if isinstance(found, h5py.Dataset) else []
            return tuple(linked) + tuple(self._beside(name, key) for name in virtual)

    def _factor(self, key: str, factor_of: Callable[[str], float | None], assumed: float) -> float:
        unit = self.unit(key)
        factor = assumed if unit is None else factor_of(unit)
        if factor is None:
            what = f"its unit is {unit!r}, which is not known here"
            raise UserError(what, where=self.where(key), mend="Give the number in the spec")
        return factor

    def _attribute(self, key: str, name: str) -> Any:
        with self.opened() as file, self._guarded(key):
            found = self._followed(file, key)
            return None if found is None else found.attrs.get(name)

    def _followed(self, file: h5py.File, key: str) -> Any:
        """What a name leads to, links on the way checked one by one; None where to nothing."""
        found: Any = file
        for name in (part for part in key.split("/") if part):
            if not isinstance(found, h5py.Group) or name not in _names(found):
                return None
            link = found.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                self._beside(link.filename, key)
            found = found.get(name)
        return found

    def _linked(self, file: h5py.File, key: str) -> Path | None:
        parent, name = key.rstrip("/").rpartition("/")[::2]
        group = self._followed(file, parent or "/")
        link = group.get(name, getlink=True) if isinstance(group, h5py.Group) else None
        return self._beside(link.filename, key) if isinstance(link, h5py.ExternalLink) else None

    def _beside(self, name: str, key: str) -> Path:
        """A file named in this one, which must lie in or below its folder."""
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            what = f"it takes its data from {name!r}, outside of this file's folder"
            raise UserError(what, where=self.where(key), mend="Put all files into one folder")
        return self.path.parent / parts

    def _refuse_strange(self, found: h5py.Dataset, key: str) -> None:
        if found.external:
            what = f"its numbers lie in other files ({found.external[0][0]!r}), not in HDF5"
            raise UserError(what, where=self.where(key), mend="Copy it with h5repack")
        for name in _virtual_files(found):
            self._beside(name, key)
        if found.dtype.hasobject or found.dtype.kind not in "iufbc" or found.shape is None:
            what = f"this holds {found.dtype}, not plain numbers"
            raise UserError(what, where=self.where(key), mend=_PLAIN)
        if not found.is_virtual:
            claimed = int(found.dtype.itemsize * np.prod([float(s) for s in found.shape]))
            check_packing(claimed, found.id.get_storage_size(), self.where(key))
        _load_filters(found)

    def _candidates(self, file: h5py.File) -> str:
        found = [entry.key for entry in _walk(file)]
        more = f" and {len(found) - MOST_LISTED} more" if len(found) > MOST_LISTED else ""
        return f"There are {', '.join(found[:MOST_LISTED])}{more}" if found else _PLAIN

    @contextmanager
    def _guarded(self, key: str) -> Iterator[None]:
        try:
            yield
        except UserError:
            raise
        except DAMAGE as error:
            what = f"this cannot be read: damaged, or cut off ({_short(error)})"
            raise UserError(what, where=self.where(key), mend=_mend(error)) from None


def _walk(file: h5py.File) -> Iterator[Entry]:
    """Numeric datasets of a file, not through links to elsewhere, and not for ever."""
    for key, found in _members(file):
        if isinstance(found, h5py.Dataset) and found.dtype.kind in "iufbc" and found.shape:
            yield Entry(key, tuple(int(side) for side in found.shape), found.dtype)


def _members(file: h5py.File) -> Iterator[tuple[str, Any]]:
    """Everything in a file by its name, and links as links."""
    yield from _below(file, "", DEEPEST, iter(range(MOST_VISITED)))


def _below(
    group: h5py.Group, prefix: str, depth: int, budget: Iterator[int]
) -> Iterator[tuple[str, Any]]:
    for name, _ in zip(_names(group), budget, strict=False):
        link, key = group.get(name, getlink=True), f"{prefix}/{name}"
        found = _got(group, name) if isinstance(link, h5py.HardLink) else link
        yield key, found
        if isinstance(found, h5py.Group) and depth:
            yield from _below(found, key, depth - 1, budget)


def _got(group: h5py.Group, name: str) -> Any:
    """A member, None where it is damaged: a listing goes on."""
    try:
        return group.get(name)
    except DAMAGE:
        return None


def _names(group: h5py.Group) -> list[str]:
    return [name for name in group if isinstance(name, str)]


def _virtual_files(found: h5py.Dataset) -> list[str]:
    """Names of the files a virtual dataset is put together from, but for its own."""
    if not found.is_virtual:
        return []
    return sorted({source.file_name for source in found.virtual_sources()} - {"."})


def _load_filters(found: h5py.Dataset) -> None:
    """Detectors compress with filters that HDF5 does not bring along."""
    plist = found.id.get_create_plist()
    codes = [plist.get_filter(number)[0] for number in range(plist.get_nfilters())]
    if any(not h5py.h5z.filter_avail(code) for code in codes):
        import hdf5plugin  # noqa: F401  registers them


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _mend(error: BaseException) -> str:
    if "filter" in str(error) and "regist" in str(error):
        return "It is compressed in a way that hdf5plugin does not know: copy it with h5repack"
    return _AGAIN
