"""All exports of a result, by their names in a job spec."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from ptychopinn_batch.export import preview, ptychodus, training
from ptychopinn_batch.export.result import Result
from ptychopinn_batch.files import sweep
from ptychopinn_batch.jobspec import Export
from ptychopinn_batch.results import ResultPaths

Beat = Callable[[int, int], None]


def write_exports(
    result: Result, paths: ResultPaths, exports: tuple[Export, ...], beat: Beat
) -> None:
    """Write the exports asked for, and remove those of earlier results that are not.

    `beat` is told of frames written, of all frames.
    """
    for export in get_args(Export):
        for path in paths.exports(export):
            sweep(path)
            if export not in exports:
                path.unlink(missing_ok=True)
    if "png" in exports:
        preview.write_png(result, preview.amplitude_picture(result), paths.amplitude)
        preview.write_png(result, preview.phase_picture(result), paths.phase)
    product = ptychodus.product_of(result)
    if "npz" in exports:
        ptychodus.write_npz(product, paths.product_npz)
        training.write_training_npz(result, paths.train_npz)
    if "ptychodus" in exports:
        ptychodus.write_hdf5(product, paths.product_hdf5)
        ptychodus.write_diffraction(result, paths.diffraction, beat)
