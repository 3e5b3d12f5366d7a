"""HDF5 files, read with care: no objects, nothing outside the file's own folder, no surprises.

HDF5 lets a file point at others: links, virtual datasets, raw data kept elsewhere. A scan may be
spread over files of its folder; a link that leads out of it is refused, for it could make any file
that the user can read look like frames.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import numpy as np

from hpc.errors import UserError
from ptychopinn_batch.readers.hdf5tree import DAMAGE, Entry, members, names_in, numeric_datasets
from ptychopinn_batch.readers.limits import check_packing

MOST_LISTED = 12
PLAIN = "Give an array of plain numbers"

_AGAIN = "Copy or write the file again"


@dataclass(frozen=True)
class SafeHdf5:
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
        with self.opened() as file, self.guarded(key):
            found = self.followed(file, key)
            if not isinstance(found, h5py.Dataset):
                what = "there is no such dataset" if found is None else "this is a group, no array"
                raise UserError(what, where=self.where(key), mend=self._candidates(file))
            self._refuse_strange(found, key)
            yield found

    def has(self, key: str) -> bool:
        """Whether there is a dataset or group of that name."""
        with self.opened() as file, self.guarded(key):
            return self.followed(file, key) is not None

    def where(self, key: str) -> str:
        """A dataset of this file, for messages."""
        return f"{self.path} {key}"

    def matching(self, pattern: str) -> tuple[str, ...]:
        """Datasets whose last part matches a pattern, by name; a name without one is itself."""
        parent, name = pattern.rpartition("/")[::2]
        if not set("*?[") & set(name):
            return (pattern,)
        with self.opened() as file, self.guarded(parent or "/"):
            group = self.followed(file, parent or "/")
            names = sorted(group) if isinstance(group, h5py.Group) else []
            found = tuple(f"{parent}/{one}" for one in names if fnmatch.fnmatchcase(one, name))
            if not found:
                raise UserError(
                    "no dataset matches", where=self.where(pattern), mend=self._candidates(file)
                )
        return found

    def entries(self) -> list[Entry]:
        """The numeric datasets of the file itself, links to others not followed."""
        with self.opened() as file, self.guarded("/"):
            return list(numeric_datasets(file))

    def links(self) -> list[str]:
        """Names that are links into other files."""
        with self.opened() as file, self.guarded("/"):
            return [key for key, found in members(file) if isinstance(found, h5py.ExternalLink)]

    def companions(self, key: str) -> tuple[Path, ...]:
        """Other files that hold a part of a dataset."""
        with self.opened() as file, self.guarded(key):
            linked = [path for path in (self._linked(file, key),) if path]
            found = self.followed(file, key)
            virtual = _virtual_files(found) if isinstance(found, h5py.Dataset) else []
            return tuple(linked) + tuple(self._beside(name, key) for name in virtual)

    def followed(self, file: h5py.File, key: str) -> Any:
        """What a name leads to, links on the way checked one by one; None where to nothing."""
        found: Any = file
        for name in (part for part in key.split("/") if part):
            if not isinstance(found, h5py.Group) or name not in names_in(found):
                return None
            link = found.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                self._beside(link.filename, key)
            found = found.get(name)
        return found

    def _linked(self, file: h5py.File, key: str) -> Path | None:
        parent, name = key.rstrip("/").rpartition("/")[::2]
        group = self.followed(file, parent or "/")
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
            raise UserError(what, where=self.where(key), mend=PLAIN)
        if not found.is_virtual:
            claimed = int(found.dtype.itemsize * np.prod([float(s) for s in found.shape]))
            check_packing(claimed, found.id.get_storage_size(), self.where(key))
        _load_filters(found)

    def _candidates(self, file: h5py.File) -> str:
        found = [entry.key for entry in numeric_datasets(file)]
        more = f" and {len(found) - MOST_LISTED} more" if len(found) > MOST_LISTED else ""
        return f"There are {', '.join(found[:MOST_LISTED])}{more}" if found else PLAIN

    @contextmanager
    def guarded(self, key: str) -> Iterator[None]:
        """Turns what h5py raises inside into a UserError."""
        try:
            yield
        except UserError:
            raise
        except DAMAGE as error:
            what = f"this cannot be read: damaged, or cut off ({_short(error)})"
            raise UserError(what, where=self.where(key), mend=_mend(error)) from None


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
