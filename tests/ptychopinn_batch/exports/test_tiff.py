"""TIFF images: the numbers of the object, with their pixel size, for programs that know no zarr."""

import re

import numpy as np
import pytest
from tifffile import TiffFile

from ptychopinn_batch.exports.tiff import write_tiffs


@pytest.fixture
def written(tmp_path, make_result):
    def write(**changes):
        result = make_result(**changes)
        paths = tmp_path / "amplitude.tiff", tmp_path / "phase.tiff"
        write_tiffs(result, *paths)
        return result, *paths

    return write


def test_images_hold_the_object_and_nan_where_nobody_looked(written):
    result, *paths = written()
    images = []
    for path in paths:
        with TiffFile(path) as file:
            images.append(file.asarray())
            assert file.pages[0].dtype == np.float32
    amplitude, phase = images
    assert amplitude.shape == result.canvas.shape
    assert np.isnan(amplitude[~result.seen]).all()
    back = (amplitude * np.exp(1j * phase))[result.seen]
    np.testing.assert_allclose(back, result.object[result.seen], rtol=1e-5)


def test_the_pixel_size_is_told_to_all_kinds_of_programs(written):
    result, path, _ = written()
    pixel = result.canvas.pixel_size_m
    with TiffFile(path) as file:
        found = re.search(r'PhysicalSizeX="([^"]+)" PhysicalSizeXUnit="nm"', file.ome_metadata)
        assert float(found[1]) == pytest.approx(pixel * 1e9)
        numerator, denominator = file.pages[0].tags["XResolution"].value
        assert file.pages[0].tags["ResolutionUnit"].value == 3  # per centimetre
        assert numerator / denominator == pytest.approx(1e-2 / pixel, rel=1e-4)


def test_units_and_gauge_stand_in_the_file(written):
    _, amplitude, phase = written()
    with TiffFile(amplitude) as file:
        assert "relative to the mean transmission; NaN where no frame saw it" in file.ome_metadata
    with TiffFile(phase) as file:
        assert "in rad" in file.ome_metadata
        assert "a global phase and a plane are arbitrary" in file.ome_metadata


def test_without_geometry_no_pixel_size_is_claimed(written):
    _, path, _ = written(geometry=None)
    with TiffFile(path) as file:
        assert "PhysicalSize" not in file.ome_metadata
