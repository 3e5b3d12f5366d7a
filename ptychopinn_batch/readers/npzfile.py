"""Arrays inside an NPZ file, read without pickles and as streams.

`numpy.load` reads a member as a whole, even with `mmap_mode`; scans are larger than memory.
"""

from __future__ import annotations

import math
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.readers.limits import check_packing, check_size

CHUNK_BYTES = 2**22  # read at once

_PLAIN = "Save it again as a plain numeric array with numpy.savez"
_AGAIN = "Copy or write the file again"
_STRANGE = "Look where the file comes from; numpy.savez writes no such names"

# What zipfile and numpy.lib.format raise where bytes are not what they should be.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SyntaxError,
    TokenError,
    ValueError,
)

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


@dataclass(frozen=True)
class ArrayHeader:
    """What stands before the numbers of an array."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]

    @property
    def items(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class NpzFile:
    """An NPZ file. Whatever is wrong with it is a UserError that names file and key."""

    path: Path

    @cached_property
    def keys(self) -> frozenset[str]:
        """Names of the arrays in it. UserError where no program of ours or numpy's wrote them."""
        with self._opened() as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist() if _is_npy(name)]
            strange = [name for name in archive.namelist() if _leads_away(name)]
        twice = sorted({name for name in names if names.count(name) > 1})
        for name in strange[:1] or twice[:1]:
            word = "leads out of the file" if strange else "is there twice"
            what = f"it holds a member named {name!r}, which {word}"
            raise UserError(what, where=str(self.path), mend=_STRANGE)
        return frozenset(names)

    def header(self, key: str) -> ArrayHeader:
        """Shape and type of an array, read from its first bytes."""
        with self._member(key) as member:
            return self._header(member, key)

    def plain_header(self, key: str) -> ArrayHeader:
        """The same; UserError where the array is pickled."""
        header = self.header(key)
        self._refuse_pickles(header, key)
        return header

    def read(self, key: str) -> NDArray[Any]:
        """A whole array; for small ones."""
        header = self.plain_header(key)
        check_size(header.shape, header.dtype, self.where(key))
        flat = np.concatenate([np.zeros(0, header.dtype), *self.chunks(key)])
        return flat.reshape(header.shape, order="F" if header.fortran_order else "C")

    def chunks(self, key: str, items: int | None = None) -> Iterator[NDArray[Any]]:
        """The numbers of an array as they are stored, in flat pieces of `items` numbers."""
        with self._member(key) as member:
            header = self._header(member, key)
            self._refuse_pickles(header, key)
            yield from _pieces(member, header, items)

    @contextmanager
    def spooled(self, key: str) -> Iterator[Path]:
        """The numbers of an array as a plain file, for reading them in another order."""
        with tempfile.NamedTemporaryFile(prefix="ptychopinn-batch-") as file:
            try:
                for chunk in self.chunks(key):
                    file.write(chunk.data)
                file.flush()
            except OSError as error:
                what = f"no room to turn this array, frames last, in {tempfile.gettempdir()}"
                mend = "Set TMPDIR to a larger disk, or save frames first"
                raise UserError(what, where=self.where(key), mend=mend) from error
            yield Path(file.name)

    def where(self, key: str) -> str:
        """A key of this file, for messages."""
        return f"{self.path} {key}"

    def scalar(self, key: str) -> float | None:
        """A single number, None where there is none of that name."""
        if key not in self.keys:
            return None
        header = self.plain_header(key)
        if header.items != 1 or header.dtype.kind not in "iuf":
            what = f"a single number is expected here, not {header.dtype} of shape {header.shape}"
            raise UserError(what, where=self.where(key), mend=_PLAIN)
        return float(self.read(key).ravel()[0])

    def word(self, key: str) -> str | None:
        """A single text, None where there is none of that name."""
        if key not in self.keys:
            return None
        header = self.plain_header(key)
        if header.items != 1 or header.dtype.kind != "U":
            return None
        return str(self.read(key).ravel()[0])

    def _header(self, member: IO[bytes], key: str) -> ArrayHeader:
        version = npy.read_magic(member)
        if version not in _HEADERS:
            major, minor = version
            what = f"this array has a header of version {major}.{minor}, not 1.0 or 2.0"
            raise UserError(what, where=self.where(key), mend=_PLAIN)
        header = ArrayHeader(*_HEADERS[version](member))
        if not all(isinstance(side, int) and 0 <= side < 2**48 for side in header.shape):
            raise ValueError(f"its shape is {header.shape}")
        return header

    def _refuse_pickles(self, header: ArrayHeader, key: str) -> None:
        if header.dtype.hasobject:
            what = "this array is a pickled Python object, which is never opened"
            raise UserError(what, where=self.where(key), mend=_PLAIN)

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            archive = zipfile.ZipFile(self.path)
        except FileNotFoundError:
            mend = "Check the path; a relative one begins at the spec file"
            raise UserError("no such file", where=str(self.path), mend=mend) from None
        except (zipfile.BadZipFile, NotImplementedError, ValueError):
            raise UserError(self._no_zip(), where=str(self.path), mend=_AGAIN) from None
        except OSError as error:
            what = f"this file cannot be read ({error.strerror})"
            raise UserError(what, where=str(self.path), mend="Check the path") from None
        with archive:
            yield archive

    @contextmanager
    def _member(self, key: str) -> Iterator[IO[bytes]]:
        with self._opened() as archive:
            try:
                info = archive.getinfo(f"{key}.npy")
                check_packing(info.file_size, info.compress_size, self.where(key))
                with archive.open(info) as member:
                    yield member
            except UserError:
                raise
            except DAMAGE as error:
                what = f"this array is damaged or cut off ({error})"
                raise UserError(what, where=self.where(key), mend=_AGAIN) from None

    def _no_zip(self) -> str:
        with self.path.open("rb") as file:
            start = file.read(6)
        if start.startswith(b"PK\x03\x04"):
            return "this NPZ file is cut off, or damaged at its end"
        if start == npy.MAGIC_PREFIX:
            return "this is one array (NPY), not an NPZ file"
        return "this is not an NPZ file"


def _is_npy(name: str) -> bool:
    return name.endswith(".npy")


def _leads_away(name: str) -> bool:
    return name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/")


def _pieces(member: IO[bytes], header: ArrayHeader, items: int | None) -> Iterator[NDArray[Any]]:
    width = header.dtype.itemsize
    items = items or max(1, CHUNK_BYTES // width)
    for start in range(0, header.items, items):
        data = _read_fully(member, min(items, header.items - start) * width)
        yield np.frombuffer(data, header.dtype)
    member.read(1)  # the end, where the checksum is compared


def _read_fully(member: IO[bytes], size: int) -> bytes:
    """So many bytes; a zip member may give fewer at a time. EOFError when it ends before."""
    parts: list[bytes] = []
    missing = size
    while missing:
        part = member.read(missing)
        if not part:
            raise EOFError(f"{missing} bytes are missing")
        parts.append(part)
        missing -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
