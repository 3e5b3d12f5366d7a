"""What is in an HDF5 file, by its headers: no links followed, damage passed over, not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

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


@dataclass(frozen=True)
class Entry:
    """A dataset as its header describes it."""

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def numeric_datasets(file: h5py.File) -> Iterator[Entry]:
    """Numeric datasets of a file, not through links to elsewhere, and not for ever."""
    for key, found in members(file):
        if isinstance(found, h5py.Dataset) and found.dtype.kind in "iufbc" and found.shape:
            yield Entry(key, tuple(int(side) for side in found.shape), found.dtype)


def members(file: h5py.File) -> Iterator[tuple[str, Any]]:
    """Everything in a file by its name, and links as links."""
    yield from _below(file, "", DEEPEST, iter(range(MOST_VISITED)))


def _below(
    group: h5py.Group, prefix: str, depth: int, budget: Iterator[int]
) -> Iterator[tuple[str, Any]]:
    for name, _ in zip(names_in(group), budget, strict=False):
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


def names_in(group: h5py.Group) -> list[str]:
    return [name for name in group if isinstance(name, str)]
