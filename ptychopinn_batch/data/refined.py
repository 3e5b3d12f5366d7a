"""Scan stores with another probe and other positions: the frames are shared, not copied.

The positions of the scan's file stay in them as `recorded_positions`.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpc.fsio import sha256_file
from hpc.lease import Lease
from hpc.task import content_key
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data.build import clear_about_room, whole_store
from ptychopinn_batch.data.illumination import brightest
from ptychopinn_batch.data.store import (
    ARRAYS,
    META,
    SCAN_JSON,
    Refinement,
    ScanInfo,
    ScanStore,
    StoredFile,
    array_file,
)
from ptychopinn_batch.files import sweep, whole_folder

Arrays = dict[str, NDArray[Any]]

SIMILAR = {"recorded_positions": "positions"}  # a new array, and an old one of the same type


def refined_store(
    store: ScanStore,
    folder: Path,
    *,
    probe: NDArray[np.complex64],
    positions: NDArray[np.float64],
    canvas: Canvas,
    refinement: Refinement,
) -> ScanStore:
    """The scan of a store with this probe (M, N, N) and these positions (K, 2), in `folder`.

    A canvas that holds them all goes with them. A store that is there and whole stays.
    """
    lock, what = folder.with_name(f".{folder.name}.lock"), "this scan is being refined"
    with Lease(lock, what, wait=-1, across_hosts=True):
        sweep(folder)
        if (there := whole_store(folder)) is not None:
            return there
        with clear_about_room(folder), whole_folder(folder) as temporary:
            recorded = store.positions.numpy()
            new: Arrays = {
                "probe": probe,
                "positions": positions,
                "recorded_positions": recorded,
            }
            files = _fill(store, temporary, new)
            info = _info(store.info, new, canvas, refinement, files)
            (temporary / SCAN_JSON).write_text(info.model_dump_json(indent=1))
        return ScanStore.open(folder)


def _fill(store: ScanStore, folder: Path, new: Arrays) -> tuple[StoredFile, ...]:
    """All files of the arrays: new ones, and the others as they are."""
    (folder / ARRAYS).mkdir()
    replaced = {array_file(Path(ARRAYS), name).as_posix() for name in new}
    replaced.add(f"{ARRAYS}/{META}")
    kept = [file for file in store.info.files if file.name not in replaced]
    for file in kept:
        _share(store.folder / file.name, folder / file.name)
    for name, value in new.items():
        array_file(folder / ARRAYS, name).write_bytes(np.ascontiguousarray(value).data)
    _describe(store.folder / ARRAYS / META, folder / ARRAYS / META, new)
    written = [_stored(folder, name) for name in replaced]
    return tuple(sorted([*kept, *written], key=lambda file: file.name))


def _share(old: Path, new: Path) -> None:
    """Another name for a file, which never changes; a copy where file systems have no such."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copyfile(old, new)
        new.chmod(0o444)


def _describe(old: Path, path: Path, new: Arrays) -> None:
    meta = json.loads(old.read_bytes())
    for name, value in new.items():
        meta[name] = {**meta[SIMILAR.get(name, name)], "shape": list(value.shape)}
    path.write_text(json.dumps(meta))


def _stored(folder: Path, name: str) -> StoredFile:
    path = folder / name
    path.chmod(0o444)
    return StoredFile(name=name, size=path.stat().st_size, sha256=sha256_file(path))


def _info(
    old: ScanInfo,
    new: Arrays,
    canvas: Canvas,
    refinement: Refinement,
    files: tuple[StoredFile, ...],
) -> ScanInfo:
    return old.model_copy(
        update={
            "modes": len(new["probe"]),
            "canvas": canvas,
            "illumination_max": brightest(canvas, new["positions"], new["probe"]),
            "content_id": content_key([file.model_dump(mode="json") for file in files]),
            "files": files,
            "refinement": refinement,
        }
    )
