"""`init`: a spec to start from, and what it lacks as yet."""

import h5py
import numpy as np


def test_a_scan_that_needs_nothing_more_is_not_spoken_of(here, call, prints):
    prints("simulate", "a.npz", "--set", "frames=30")
    code, said, lack = call("init", "a.yaml", "--scan", "a.npz")
    assert (code, lack) == (0, "")
    assert said == "Wrote a.yaml. Next: ptychopinn-batch validate a.yaml\n"


def test_what_is_not_there_yet_is_told_and_the_spec_is_written(here, call):
    code, _, lack = call("init", "a.yaml", "--scan", "later/*.npz")
    assert code == 0
    assert "no file matches 'later/*.npz'" in lack
    assert (here / "a.yaml").exists()


def test_a_file_whose_arrays_must_be_named_is_told_with_their_names(here, call):
    with h5py.File(here / "own.h5", "w") as file:
        file["exp/frames"] = np.ones((20, 16, 16), np.uint16)
    code, _, lack = call("init", "a.yaml", "--scan", "own.h5")
    assert code == 0
    assert lack.startswith("The spec is not complete yet: ")
    assert "Write datasets.frames; perhaps /exp/frames" in lack
