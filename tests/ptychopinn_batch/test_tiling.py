"""Tiles chosen for a scan: even, as large as their frames allow, as written where it is written."""

import pytest

from ptychopinn_batch.canvas import ALIGNMENT, Canvas
from ptychopinn_batch.jobspec import Infer
from ptychopinn_batch.tiling import FRAMES_BYTES, LARGEST, STEP, reach, tiled


def canvas(height, width):
    return Canvas(x0=0, y0=0, height=height, width=width)


def side(height, width, frames=1000, n=64, infer=None):
    found = tiled(infer or Infer(), frames=frames, n=n, canvas=canvas(height, width))
    return found.tile


def test_what_the_spec_says_is_taken():
    assert side(514, 514, infer=Infer(tile=192)) == 192


def test_the_rest_of_the_section_is_kept():
    infer = Infer(steps=9, halo=77, precision="32", tiles_per_task=3)
    found = tiled(infer, frames=10, n=64, canvas=canvas(99, 99)).model_dump()
    assert found == {**infer.model_dump(), "tile": 128}


def test_a_canvas_that_fits_is_one_tile():
    assert side(514, 300) == 640


@pytest.mark.parametrize("longest", [LARGEST + 2, 3 * LARGEST + 5, 9999])
def test_no_sliver_is_left(longest):
    tile = side(longest, 700)
    assert tile <= LARGEST
    assert tile % STEP == 0
    rows, _ = canvas(longest, 700).tile_counts(tile)
    assert longest - (rows - 1) * tile > tile - rows * STEP


@pytest.mark.parametrize(("n", "frames"), [(64, 1_000_000), (128, 500_000)])
@pytest.mark.parametrize("infer", [Infer(), Infer(steps=32), Infer(halo=64)])
def test_frames_of_a_tile_and_its_halo_fit(n, frames, infer):
    tile = tiled(infer, frames=frames, n=n, canvas=canvas(4500, 4500)).tile
    halo = reach(infer.steps, n) if infer.halo == "auto" else infer.halo
    per_pixel, around = frames * 4 * n**2 / 4500**2, 2 * (halo + ALIGNMENT)
    assert per_pixel * (tile + around) ** 2 <= FRAMES_BYTES
    assert per_pixel * (tile + 3 * STEP + around) ** 2 > FRAMES_BYTES, "nor is it far smaller"


def test_the_densest_scan_still_has_tiles():
    assert side(1000, 1000, frames=10**7, n=256) == STEP
