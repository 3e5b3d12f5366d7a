"""`export`: what Python has in memory, as the files that a run leaves."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from hpc.errors import UserError
from ptychopinn_batch.api.progress import silent
from ptychopinn_batch.api.reconstruction import Reconstruction
from ptychopinn_batch.jobspec import ModelExport, ResultExport
from ptychopinn_batch.package import (
    WEIGHTS,
    LoadedModel,
    add_formats,
    package_files,
    refuse_others,
    save_package,
)
from ptychopinn_batch.stages.params import array_key

RESULT_EXPORTS = "npz", "ptychodus", "png"


def export(
    what: Reconstruction | LoadedModel,
    folder: str | Path,
    formats: Sequence[str] | None = None,
) -> tuple[Path, ...]:
    """Write a reconstruction, or a network as a package, into a folder; returns the files.

    formats: those of a job spec's `export`; None: npz, ptychodus and png, or the bare package.
    Other files in the folder stay as they are.
    """
    place = Path(folder).expanduser().absolute()
    if isinstance(what, LoadedModel):
        return _export_model(what, place, _known(formats or (), ModelExport))
    kinds = _known(RESULT_EXPORTS if formats is None else formats, ResultExport)
    return _export_result(what, place, kinds)


def _known(formats: Sequence[str], kinds: Any) -> tuple[Any, ...]:
    """These formats, each once; UserError for one that is none of the kinds."""
    names = get_args(kinds)
    if isinstance(formats, str):
        raise UserError("formats are a list", where="export", mend=f"Write ['{formats}']")
    for name in formats:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            mend = f"Did you mean '{near[0]}'?" if near else f"Known here: {', '.join(names)}"
            raise UserError(f"there is no format '{name}' for this", where="export", mend=mend)
    return tuple(dict.fromkeys(formats))


def _export_result(
    what: Reconstruction, folder: Path, kinds: Sequence[ResultExport]
) -> tuple[Path, ...]:
    """Write these exports into a folder and leave all else in it; returns the files."""
    from ptychopinn_batch.exports.write import write_export
    from ptychopinn_batch.results.paths import ResultPaths

    folder.mkdir(parents=True, exist_ok=True)
    paths = ResultPaths(folder)
    for kind in kinds:
        if kind == "ome-zarr":
            _write_array(what, paths.object_array)
        write_export(kind, what.result, paths, silent)
    return tuple(path for kind in kinds for path in paths.exports(kind))


def _export_model(
    model: LoadedModel, folder: Path, kinds: Sequence[ModelExport]
) -> tuple[Path, ...]:
    """Write a package, in place of an older one but of nothing else; returns its files."""
    refuse_others(folder)
    about = model.manifest
    manifest = save_package(
        folder,
        model.network,
        name=about.name,
        seed=about.seed,
        training=about.training,
        metrics=about.metrics,
    )
    manifest = add_formats(folder, kinds) if kinds else manifest
    return package_files(folder, sorted(manifest.files.keys() - {WEIGHTS}))


def _write_array(what: Reconstruction, folder: Path) -> None:
    """The object array of a run: an image for viewers lies in it."""
    from ptychopinn_batch.objectstore import ObjectStore

    canvas, store = what.canvas, what.result.store.folder.name
    key = array_key(network=what.network, store=store, infer=what.infer, canvas=canvas)
    array = ObjectStore.create(folder, canvas=canvas, tile=what.infer.tile, array_key=key)
    for window in array.tiles:
        part = window.slices
        array.write_tile(window, what.object[part], what.weight[part], what.seen[part])
