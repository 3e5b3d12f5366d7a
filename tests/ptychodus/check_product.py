"""Opens an exported folder with Ptychodus itself and prints, as JSON, what it makes of it.

Run by the interpreter that has Ptychodus 1.7: python check_product.py FOLDER. Residuals are
sum(sqrt(model) - sqrt(patterns))^2 / sum(patterns) of Ptychodus' own forward model, after one
common factor: of the product as it is, and of what other conventions would have made of it.
"""

import dataclasses
import json
import logging
import sys
from pathlib import Path

import numpy as np
from ptychodus.api.io import load_diffraction_data, load_product
from ptychodus.api.object import Object
from ptychodus.api.probe_positions import ProbePosition, ProbePositionSequence
from ptychodus.api.simulate.diffraction import generate_diffraction_data
from ptychodus.model import ModelCore
from ptychodus.plugins.npz_product_file import NPZProductFileIO


def main(folder):
    diffraction = load_diffraction_data(folder / "diffraction.h5")
    product = load_product(folder / "product.h5")
    npz = NPZProductFileIO().read(folder / "product.npz")
    json.dump(
        {
            "as it is": residual(product, diffraction),
            "npz": residual(npz, diffraction),
            "x negated": residual(with_object(product, lambda o: o[..., ::-1]), diffraction),
            "y negated": residual(with_object(product, lambda o: o[..., ::-1, :]), diffraction),
            "conjugate": residual(with_object(product, np.conj), diffraction),
            "half a pixel off": residual(half_a_pixel_off(product), diffraction),
            "indexes shifted": residual(shifted(product), diffraction),
            "patterns transposed": residual(product, diffraction, lambda p: p.swapaxes(1, 2)),
            "DC in the corner": residual(product, diffraction, np.fft.ifftshift),
            "name": product.metadata.name,
            "energy": product.metadata.photon_energy_eV,
            "indexes": [int(position.index) for position in product.probe_positions],
            "losses": [[int(loss.epoch), float(loss.value)] for loss in product.losses],
            "bound": bound(folder),
        },
        sys.stdout,
    )


def residual(product, diffraction, change=lambda patterns: patterns):
    """Every product position must have its pattern."""
    model = generate_diffraction_data(product)
    rows = {int(index): row for row, index in enumerate(diffraction._indexes)}
    order = [rows[int(index)] for index in model._indexes]
    measured = np.sqrt(change(np.asarray(diffraction._patterns, float)[order]))
    modelled = np.sqrt(np.asarray(model._patterns))
    factor = (measured * modelled).sum() / (modelled**2).sum()
    return float(((factor * modelled - measured) ** 2).sum() / (measured**2).sum())


def with_object(product, change):
    old = product.object_
    new = Object(
        change(old.get_array()), old.get_pixel_geometry(), old.get_center(), old.layer_spacing_m
    )
    return dataclasses.replace(product, object_=new)


def half_a_pixel_off(product):
    """Positions as if counted from index N / 2, kept within the object."""
    half = product.object_.get_geometry().pixel_width_m / 2
    x, y = (max(getattr(p, axis) for p in product.probe_positions) for axis in ("x_m", "y_m"))
    positions = [
        ProbePosition(p.index, min(p.x_m + half, x), min(p.y_m + half, y))
        for p in product.probe_positions
    ]
    return dataclasses.replace(product, probe_positions=ProbePositionSequence(positions))


def shifted(product):
    """Every frame with the position of the one before."""
    positions = list(product.probe_positions)
    moved = [
        ProbePosition(p.index, q.x_m, q.y_m)
        for p, q in zip(positions, [positions[-1], *positions[:-1]], strict=True)
    ]
    return dataclasses.replace(product, probe_positions=ProbePositionSequence(moved))


def bound(folder):
    """What a user sees who loads both files in Ptychodus' application core."""
    with ModelCore(None, log_level=logging.ERROR) as core:
        workflow = core.workflow_api
        diffraction = workflow.load_assembled_diffraction_data(folder / "diffraction.h5")
        handle = workflow.load_product(folder / "product.h5", diffraction=diffraction)
        product, paired = handle.get_product(), handle.get_reconstruct_input()
    return {
        "object": list(product.object_.get_array().shape),
        "probe": list(product.probes.get_array().shape),
        "frames": len(paired.diffraction_patterns),
        "residual": residual(product, diffraction.get_assembled_data()),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
