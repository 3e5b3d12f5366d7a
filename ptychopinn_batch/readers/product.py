"""A product of Ptychodus as arrays and numbers, whichever kind of file it lies in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.readers.hdf5file import Hdf5File
from ptychopinn_batch.readers.npzfile import NpzFile

__all__ = ["Hdf5Product", "NpzProduct", "Product"]


class Product(Protocol):
    """The arrays of a product file, its numbers and texts; None where it has none of that name."""

    @property
    def path(self) -> Path: ...

    def array(self, key: str) -> NDArray[Any]: ...

    def shape(self, key: str) -> tuple[int, ...]: ...

    def number(self, key: str) -> float | None: ...

    def text(self, key: str) -> str | None: ...

    def where(self, key: str) -> str: ...


@dataclass(frozen=True)
class Hdf5Product:
    """`product.h5`."""

    path: Path

    @property
    def file(self) -> Hdf5File:
        return Hdf5File(self.path)

    def array(self, key: str) -> NDArray[Any]:
        return self.file.read(key)

    def shape(self, key: str) -> tuple[int, ...]:
        return self.file.entry(key).shape

    def number(self, key: str) -> float | None:
        """One of the file's attributes, or of those of its object, whose names begin with it."""
        if key.startswith("object_"):
            return self.file.attribute("object", key.removeprefix("object_"))
        return self.file.attribute("/", key)

    def text(self, key: str) -> str | None:
        return self.file.text("/", key)

    def where(self, key: str) -> str:
        return self.file.where(key)


@dataclass(frozen=True)
class NpzProduct:
    """`product.npz`."""

    path: Path

    @property
    def file(self) -> NpzFile:
        return NpzFile(self.path)

    def array(self, key: str) -> NDArray[Any]:
        self._need(key)
        return self.file.read(key)

    def shape(self, key: str) -> tuple[int, ...]:
        self._need(key)
        return self.file.plain_header(key).shape

    def number(self, key: str) -> float | None:
        if key == "far_field" and key in self.file.keys:
            return float(self.file.read(key).all())
        return self.file.scalar(key)

    def text(self, key: str) -> str | None:
        return self.file.word(key)

    def where(self, key: str) -> str:
        return self.file.where(key)

    def _need(self, key: str) -> None:
        if key not in self.file.keys:
            found = ", ".join(sorted(self.file.keys))
            what = f"there is no {key} in this file, which holds {found}"
            raise UserError(what, where=str(self.path), mend="Save the product again")
