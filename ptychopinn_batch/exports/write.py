"""All exports of a result, by their names in a job spec."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import get_args

from ptychopinn_batch.exports import ome, preview, ptychodus, tiff, training
from ptychopinn_batch.exports.result import Result
from ptychopinn_batch.files import sweep
from ptychopinn_batch.jobspec import ResultExport
from ptychopinn_batch.results.paths import ResultPaths

Beat = Callable[[int, int], None]


def write_exports(
    result: Result, paths: ResultPaths, exports: tuple[ResultExport, ...], beat: Beat
) -> None:
    """Write the exports asked for, and remove those of earlier results that are not.

    `beat` is told of frames written, of all frames.
    """
    _clear(paths, set(get_args(ResultExport)) - set(exports))
    for export in exports:
        write_export(export, result, paths, beat)


def _clear(paths: ResultPaths, unwanted: Iterable[ResultExport]) -> None:
    for export in get_args(ResultExport):
        for path in paths.exports(export):
            sweep(path)
    for export in unwanted:
        if export == "ome-zarr":
            ome.remove_image(paths.image)
            continue
        for path in paths.exports(export):
            path.unlink(missing_ok=True)


def write_export(export: ResultExport, result: Result, paths: ResultPaths, beat: Beat) -> None:
    """Write one export in place of any older one; an image wants its array to be there."""
    match export:
        case "png":
            preview.write_png(result, preview.amplitude_picture(result), paths.amplitude)
            preview.write_png(result, preview.phase_picture(result), paths.phase)
        case "tiff":
            tiff.write_tiffs(result, paths.amplitude_tiff, paths.phase_tiff)
        case "ome-zarr":
            ome.write_image(result, paths.image)
        case "npz":
            ptychodus.write_npz(ptychodus.product_of(result), paths.product_npz)
            training.write_training_npz(result, paths.train_npz)
        case "ptychodus":
            ptychodus.write_hdf5(ptychodus.product_of(result), paths.product_hdf5)
            ptychodus.write_diffraction(result, paths.diffraction, beat)
