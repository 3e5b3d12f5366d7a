"""What Ptychodus writes as results: products that lack something."""

import numpy as np
import pytest

from ptychopinn_batch.readers.sniff import last_checkpoint
from ptychopinn_batch.writers.registry import WRITERS

from .conftest import read

LAYERS = np.ones((2, 40, 40), complex)


@pytest.mark.parametrize(
    ("held", "missing"),
    [
        ({"probe": LAYERS}, "object"),
        ({"object": LAYERS}, "probe_position_x_m"),
        ({"object": LAYERS, **dict.fromkeys(("probe_position_x_m", "probe_position_y_m"), 0)},
         "probe_position_indexes"),
    ],
)  # fmt: skip
def test_a_product_that_lacks_an_array_is_told_with_those_it_holds(
    physical, tmp_path, refusal_of, held, missing
):
    WRITERS["ptychodus"].write(physical, tmp_path / "scan")
    path = tmp_path / "scan" / "product.npz"
    np.savez(path, **held)
    assert refusal_of(read, path, format="ptychodus_npz") == (
        f"there is no {missing} in this file, which holds {', '.join(held)}",
        str(path),
        "Save the product again",
    )


def test_frames_without_their_product_are_told(physical, tmp_path, refusal_of):
    WRITERS["ptychodus"].write(physical, tmp_path / "scan")
    (tmp_path / "scan" / "product.h5").unlink()
    assert refusal_of(read, tmp_path / "scan" / "diffraction.h5") == (
        "this file holds frames only, and there is no product.h5 beside it",
        f"{tmp_path}/scan/diffraction.h5",
        "Put product.h5 and diffraction.h5 into one folder, or write files.frames",
    )


def test_the_last_checkpoint_is_that_of_the_highest_number(tmp_path):
    assert last_checkpoint(tmp_path) is None
    for number in ("000050", "999999", "1000000"):
        (tmp_path / f"product.{number}.h5").touch()
    assert last_checkpoint(tmp_path) == tmp_path / "product.1000000.h5"
