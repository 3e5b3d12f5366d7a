"""Validates an object array as OME-Zarr, opens it with napari's reader, and prints what it shows.

Run by an interpreter that has napari, napari-ome-zarr and ome-zarr-models, its output is JSON:
python check_image.py FOLDER
"""

import json
import sys

import numpy as np
import zarr
from napari.components import ViewerModel
from napari_ome_zarr import napari_get_reader
from ome_zarr_models import open_ome_zarr


def main(folder):
    kind = type(open_ome_zarr(zarr.open_group(folder, mode="r")))
    viewer = ViewerModel()
    for data, options, layer in napari_get_reader(folder)(folder):
        assert layer == "image"
        viewer.add_image(data, **options)
    layers = [told(layer) for layer in viewer.layers]
    print(json.dumps({"valid": f"{kind.__module__}.{kind.__name__}", "layers": layers}))


def told(layer):
    finest = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    return {
        "name": layer.name,
        "shape": list(finest.shape),
        "scale": [float(value) for value in layer.scale],
        "limits": [float(value) for value in layer.contrast_limits],
        "mean": float(np.nanmean(finest)),
    }


if __name__ == "__main__":
    main(sys.argv[1])
