"""Opens a standard folder with Ptychodus itself and saves it again in all formats that it writes.

Run by the interpreter that has Ptychodus 1.7: python export_all.py FOLDER OUT. The last line
printed is what it makes of the positions, as JSON.
"""

import json
import logging
import sys
from pathlib import Path

import numpy as np
from ptychodus.api.diffraction import (
    DiffractionDatasetLayoutNode,
    DiffractionMetadata,
    SimpleDiffractionArray,
    SimpleDiffractionDataset,
)
from ptychodus.api.geometry import ImageExtent
from ptychodus.api.io import (
    load_diffraction_data,
    load_product,
    save_diffraction_data,
    save_product,
    save_ptychopinn_training_data,
    save_training_data,
)
from ptychodus.api.reconstruct import prepare_reconstruct_input
from ptychodus.model import ModelCore
from ptychodus.plugins.cxi_file import CXIDiffractionFileWriter, CXIProductFileIO
from ptychodus.plugins.npz_product_file import NPZProductFileIO


def main(folder, out):
    (out / "folder").mkdir(parents=True)
    (out / "core").mkdir()
    diffraction = load_diffraction_data(folder / "diffraction.h5")
    product = load_product(folder / "product.h5")
    save_product(out / "folder" / "product.h5", product)
    save_diffraction_data(out / "folder" / "diffraction.h5", diffraction)
    save_diffraction_data(out / "diffraction.h5", diffraction)
    NPZProductFileIO().write(out / "product.npz", product)
    paired = prepare_reconstruct_input(diffraction, product)
    save_ptychopinn_training_data(out / "training.npz", paired, inpaint_bad_pixels=False)
    save_training_data(out / "training.h5", paired, inpaint_bad_pixels=False)
    save_cxi(out, diffraction, product)
    through_the_core(folder, out / "core")
    positions = paired.product.probe_positions
    found = {
        "indexes": [int(p.index) for p in positions],
        "positions": [[p.x_m, p.y_m] for p in positions],
    }
    print(json.dumps(found))


def save_cxi(out, diffraction, product):
    """Frames and product in two files, as its GUI does. CXI frames are numbered by their rows."""
    patterns = np.asarray(diffraction._patterns)
    metadata = DiffractionMetadata(
        num_patterns_per_array=[len(patterns)],
        pattern_dtype=patterns.dtype,
        detector_distance_m=product.metadata.detector_distance_m,
        detector_extent=ImageExtent(patterns.shape[2], patterns.shape[1]),
        detector_pixel_geometry=diffraction.get_pixel_geometry(),
        photon_energy_eV=product.metadata.photon_energy_eV,
    )
    array = SimpleDiffractionArray("frames", np.arange(len(patterns)), patterns)
    dataset = SimpleDiffractionDataset(
        metadata, DiffractionDatasetLayoutNode.create_root(), [array], diffraction._bad_pixels
    )
    CXIDiffractionFileWriter().write(out / "diffraction.cxi", dataset)
    CXIProductFileIO().write(out / "product.cxi", product)


def through_the_core(folder, out):
    """What a user gets who loads both files into the application and saves them."""
    with ModelCore(None, log_level=logging.ERROR) as core:
        workflow = core.workflow_api
        diffraction = workflow.load_assembled_diffraction_data(folder / "diffraction.h5")
        handle = workflow.load_product(folder / "product.h5", diffraction=diffraction)
        handle.save_product(out / "product.h5", file_type="HDF5")
        save_diffraction_data(out / "diffraction.h5", diffraction.get_assembled_data())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
