"""`convert`: a scan in another format; that every number is kept, `readers` tests."""

import pytest

from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.opened import open_scan, read_scan

OPTICS = ("energy_ev=8e3", "distance_m=2", "detector_pixel_m=75e-6")
SETS = tuple(word for text in OPTICS for word in ("--set", text))


@pytest.fixture
def scan(here, prints):
    prints("simulate", "a.npz", "--set", "frames=30", "--set", "frame_size=32")
    return here / "a.npz"


def format_of(path):
    return open_scan(Scan(path=str(path))).recording.format


@pytest.mark.parametrize(
    ("out", "options", "kind"),
    [
        ("b.npz", (), "ptychopinn"),
        ("b.cxi", (), "cxi"),
        ("b", (), "ptychodus"),
        ("b.h5", (), "ptychodus_training"),
        ("b.hdf5", ("--to", "cxi"), "cxi"),
    ],
)
def test_the_name_says_the_format_unless_it_is_given(scan, prints, out, options, kind):
    said = prints("convert", "a.npz", out, *SETS, *options)
    assert said.startswith(f"Wrote {out} (")
    assert said.endswith("): 30 frames of 32 x 32 pixels\n")
    assert format_of(scan.parent / out) == kind


def test_what_is_written_is_the_scan_as_its_keys_say(scan, prints):
    prints("convert", "a.npz", "b.npz", "--set", "crop=16", "--set", "frames=20")
    back = read_scan(Scan(path=str(scan.parent / "b.npz")))
    assert (len(back.frames), back.frames.n) == (20, 16)


@pytest.mark.parametrize(("out", "told"), [("b.cxi", True), ("b.npz", False)])
def test_a_geometry_that_nobody_gave_is_told_of(scan, call, out, told):
    code, _, stderr = call("convert", "a.npz", out)
    assert code == 0
    assert ("a nominal one was written" in stderr) == told


@pytest.mark.parametrize("out", ["b.npz", "b"])
def test_what_exists_is_replaced_only_by_force(scan, prints, refuses, out):
    prints("convert", "a.npz", out, *SETS)
    assert "--force" in refuses("convert", "a.npz", out, *SETS)
    prints("convert", "a.npz", out, *SETS, "--force")


def test_a_scan_is_never_written_onto_itself(scan, prints, refuses):
    itself = "the scan would be written onto itself. Choose another name\n"
    assert refuses("convert", "a.npz", "a.npz", "--force") == f"Error: a.npz: {itself}"
    prints("convert", "a.npz", "b", *SETS)
    for source in ("b", "b/product.h5"):
        assert refuses("convert", source, "b", "--force") == f"Error: b/product.h5: {itself}"


def test_a_folder_does_not_take_the_place_of_a_file(scan, refuses):
    (scan.parent / "b").write_text("mine")
    assert refuses("convert", "a.npz", "b", "--to", "ptychodus", "--force", *SETS) == (
        "Error: b: this is a file, not a folder. Choose another name\n"
    )


def test_a_name_that_says_no_format_is_refused(scan, refuses):
    said = refuses("convert", "a.npz", "b.tiff")
    assert "'.tiff' is no format that can be written" in said
    assert "--to ptychopinn or ptychodus" in said
