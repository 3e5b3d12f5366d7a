"""`inspect`: what a user is told of a scan's file, and whether it will reconstruct."""

import json

import numpy as np
import pytest

FRAMES = 300  # more than are looked at unasked


@pytest.fixture
def scan(here, prints):
    sets = [f"frames={FRAMES}", "frame_size=32", "pattern=raster", "step=2"]
    sets += ["photons=1e5", "bad_pixels=3"]
    prints("simulate", "a.npz", *(word for text in sets for word in ("--set", text)))
    return here / "a.npz"


def found(prints, *options):
    return json.loads(prints("inspect", "a.npz", "--json", *options))


def changed(scan, **arrays):
    with np.load(scan) as file:
        np.savez(scan, **{**file, **arrays})


def test_it_tells_what_is_there_what_is_missing_and_whether_it_will_do(scan, prints):
    text = prints("inspect", scan)
    assert text.startswith(f"{scan}: PtychoPINN")
    assert "300 of 32 x 32 pixels, float32" in text
    assert "bad pixels    3" in text
    assert "missing       energy_ev, distance_m, detector_pixel_m" in text
    assert text.rstrip().endswith("This scan will reconstruct.")


def test_figures_are_those_that_the_scan_was_made_with(scan, prints):
    figures = found(prints, "--all")
    assert (figures["frames"], figures["frame_px"], figures["bad_pixels"]) == (FRAMES, 32, 3)
    assert figures["photons"] == pytest.approx(1e5, rel=0.05)
    assert figures["step_px"] == pytest.approx(2)
    assert figures["overlap"] == pytest.approx(
        1 - figures["step_px"] / figures["probe_diameter_px"]
    )
    assert figures["problems"] == []


def test_the_first_frames_are_looked_at_or_all(scan, prints):
    assert "(of the first 256 frames)" in prints("inspect", scan)
    assert "(of all frames)" in prints("inspect", scan, "--all")
    assert found(prints, "--all")["looked_at"] == FRAMES


def test_keys_of_a_scan_may_be_tried(scan, prints):
    optics = ("energy_ev=8e3", "distance_m=2", "detector_pixel_m=75e-6")
    figures = found(prints, *(word for text in optics for word in ("--set", text)))
    assert figures["missing"] == []
    wavelength = 1.23984198e-6 / 8e3
    assert figures["object_pixel_m"] == pytest.approx(wavelength * 2 / (32 * 75e-6), rel=1e-6)
    assert found(prints, "--set", "crop=16")["frame_px"] == 16


def test_what_will_not_reconstruct_is_said_with_the_reason(scan, call):
    with np.load(scan) as file:
        apart = {name: file[name] * 100 for name in ("xcoords", "ycoords")}
    changed(scan, **apart)
    code, out, _ = call("inspect", scan)
    assert code == 0
    assert "This scan will not reconstruct as it is:\n  - " in out


def test_what_may_go_badly_is_said(scan, prints):
    with np.load(scan) as file:
        faint = np.sqrt(np.random.default_rng(0).poisson(file["diff3d"] ** 2 / 1e4))
    changed(scan, diff3d=faint.astype("f4"))
    text = prints("inspect", scan)
    assert "This scan may reconstruct badly:\n  - a frame holds" in text


def test_what_cannot_be_read_is_refused(scan, refuses):
    assert "there is no file" in refuses("inspect", "b.npz")
    assert "there is no such key" in refuses("inspect", "a.npz", "--set", "corp=16")


def test_one_scan_is_looked_at_at_a_time(here, refuses):
    for name in ("a.npz", "b.npz"):
        (here / name).write_bytes(b"")
    assert refuses("inspect", "*.npz") == "Error: *.npz: 2 files match. Give the name of one\n"


def test_an_energy_that_looks_like_kev_is_asked_about(scan, prints):
    optics = ("energy_ev=8.8", "distance_m=0.05", "detector_pixel_m=5e-6")
    near = prints("inspect", "a.npz", *(word for text in optics for word in ("--set", text)))
    assert "near-field" in near
    assert "Is its energy, 8.8 eV, in keV?" in near


def test_an_object_that_tells_nothing_is_no_reference(scan, prints):
    changed(scan, objectGuess=np.ones((400, 400), np.complex64))
    figures = found(prints)
    assert figures["object_px"] is None
    assert figures["notes"] == ["its object is not used as a reference: it is the same everywhere"]


def test_a_nominal_geometry_is_called_so(scan, prints, call):
    call("convert", "a.npz", "folder")
    assert "its geometry is nominal" in prints("inspect", "folder")


def test_frames_far_from_all_others_are_told_of(scan, prints):
    with np.load(scan) as file:
        x = file["xcoords"].copy()
    x[3] = 20000.0
    changed(scan, xcoords=x)
    (warning,) = (text for text in found(prints)["warnings"] if "far from all" in text)
    assert warning.startswith(
        "1 of 300 frames lie far from all others, such as number 3 at (20000,"
    )
