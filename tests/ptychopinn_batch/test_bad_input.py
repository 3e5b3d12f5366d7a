"""Bad input, as the user of the command line meets it: a clear error, nothing half-written."""

import json
from pathlib import Path

import numpy as np
import pytest

from ptychopinn_batch.package.registry import SHIPPED

N, FRAMES = 32, 25


def contract():
    """Counts, a probe and positions of a small scan that is as it should be."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[:N, :N] - N // 2
    probe = np.exp(-(x**2 + y**2) / 40) * np.exp(0.2j * x)
    row, column = np.divmod(np.arange(FRAMES), 5)
    light = np.abs(np.fft.fftshift(np.fft.fft2(probe))) ** 2
    return {
        "diff3d": random.poisson(light + 1, (FRAMES, N, N)).astype(np.float64),
        "xcoords": 20.25 + 3.0 * column,
        "ycoords": 20.5 + 3.0 * row,
        "probeGuess": probe.astype(np.complex64),
    }


@pytest.fixture(autouse=True)
def folder(here):
    return here


def write(text="", **arrays):
    """`job.yaml` and the scan that it names."""
    np.savez("scan.npz", **(contract() | arrays))
    Path("job.yaml").write_text(
        "version: 1\nname: job\nscans: [{path: scan.npz, measurement: counts}]\n"
        "model: {pretrained: none}\n" + text
    )


def test_the_scan_without_a_mistake_is_accepted(prints):
    write()
    assert "1 scan, 1 variant" in prints("validate", "job.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: 3\n", "job.yaml:5 epochs: there is no such key"),
        ("infer: {stepz: 3}\n", "job.yaml:5 infer.stepz: there is no such key. Did you mean 'step"),
        ("infer: {steps: many}\n", "job.yaml:5 infer.steps: Expected an integer from 1 to 1000"),
        ("sweep: {infer.steps: []}\n", "job.yaml:5 sweep.infer.steps: Expected"),
        ("sweep: {}\n", "job.yaml:5 sweep: "),
        ("infer: {steps: 4\n", "job.yaml:"),
    ],
)
@pytest.mark.parametrize("command", ["validate", "plan", "submit"])
def test_mistakes_in_the_spec_are_told_with_file_line_and_key(refuses, command, text, message):
    write(text)
    assert refuses(command, "job.yaml").startswith(f"Error: {message}")


def test_mistakes_on_the_command_line_are_told_with_the_option(refuses):
    write()
    assert refuses("submit", "job.yaml", "--set", "infer.stepz=3").startswith(
        "Error: --set infer.stepz=3"
    )
    assert "Expected key=value" in refuses("submit", "job.yaml", "--set", "infer.steps")
    assert "job.yml: there is no such file. Did you mean" in refuses("submit", "job.yml")


def test_an_empty_runs_folder_is_no_wish_for_the_working_folder(refuses):
    write()
    assert "is a shell variable unset?" in refuses("submit", "job.yaml", "--runs", "")


def test_a_missing_scan_is_named_with_those_that_are_there(refuses):
    write()
    Path("scan.npz").rename("scam.npz")
    message = refuses("submit", "job.yaml")
    assert message.startswith("Error: job.yaml:3 scans.0.path: there is no file 'scan.npz'")
    assert "Did you mean 'scam.npz'?" in message


HEADERS = {
    "pickled arrays": ({"xcoords": np.array([1.0] * FRAMES, object)}, "pickled"),
    "positions that do not match the frames": ({"xcoords": np.ones(7), "ycoords": np.ones(7)}, "7"),
    "coordinates that do not match": ({"xcoords": np.arange(7.0)}, "7 x but 25 y coordinates"),
    "a probe of another size": ({"probeGuess": np.ones((16, 16), complex)}, "the probe is"),
    "a dark probe": ({"probeGuess": np.zeros((N, N), complex)}, "the probe is zero everywhere"),
    "no overlap": ({"xcoords": np.arange(25.0) * 100}, "frames do not overlap"),
    "a canvas for no memory": ({"xcoords": np.arange(25.0) * 1e6, "ycoords": np.arange(25) * 1e6},
                               "the canvas would be"),
    "frames of odd size": ({"diff3d": np.ones((FRAMES, 33, 33))}, "odd size, 33 x 33"),
    "frames that are not square": ({"diff3d": np.ones((FRAMES, 32, 30))}, "not square"),
    "one frame": (
        {"diff3d": np.ones((1, N, N)), "xcoords": np.ones(1), "ycoords": np.ones(1)},
        "several frames, this one has 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HEADERS)
def test_a_scan_that_cannot_be_used_is_refused_before_anything_is_done(refuses, case):
    arrays, message = HEADERS[case]
    write(**arrays)
    found = refuses("submit", "job.yaml")
    assert "scan.npz" in found
    assert message in found


def test_a_file_that_is_cut_off_is_refused(refuses):
    write()
    whole = Path("scan.npz").read_bytes()
    Path("scan.npz").write_bytes(whole[: len(whole) // 2])
    message = refuses("submit", "job.yaml")
    assert "scan.npz" in message
    assert "Copy or write the file again" in message


def test_a_group_larger_than_the_scan_is_refused(refuses):
    write("train: {}\n", diff3d=np.ones((4, N, N)), xcoords=np.arange(4), ycoords=np.zeros(4))
    cnn = ("--set", "model={pretrained: none, architecture: cnn, cnn: {n: 32, gridsize: 3}}")
    assert "a group of 9 frames is larger than the scan (4 frames)" in refuses(
        "submit", "job.yaml", *cnn
    )


def test_every_scan_with_a_mistake_is_named_at_once(refuses):
    write()
    for name in ("a", "b"):
        np.savez(f"{name}.npz", **(contract() | {"probeGuess": np.zeros((N, N), complex)}))
    message = refuses("submit", "job.yaml", "--set", "scans=[{path: '?.npz'}]")
    assert "2 mistakes in job.yaml" in message
    assert "a.npz" in message
    assert "b.npz" in message


def nan(frames):
    return np.where(np.arange(FRAMES)[:, None, None] == 3, np.nan, frames)


FRAME_FAULTS = {
    "NaN": (nan, "NaN"),
    "negative counts": (lambda frames: frames - 1e9, "negative"),
    "frames without light": (lambda frames: frames * 0, "zero"),
}


@pytest.mark.parametrize("case", FRAME_FAULTS)
def test_faults_inside_frames_fail_the_scan_and_leave_no_store(call, case):
    change, message = FRAME_FAULTS[case]
    write(diff3d=change(contract()["diff3d"]))
    code, _, stderr = call("submit", "job.yaml")
    assert code == 1
    assert stderr.startswith("failed: prepare-scan: ")
    assert message in stderr.splitlines()[0]
    assert "log: runs/job/logs/prepare-scan.log" in stderr
    assert [path for path in Path("runs/.stores").rglob("*") if path.suffix == ".memmap"] == []
    assert not Path("runs/job/results").exists()


@pytest.fixture
def package(folder):
    """A copy of the shipped network, to be changed."""
    copy = folder / "network"
    copy.mkdir()
    for file in (SHIPPED / "default").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    write()
    return copy


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_package_whose_bytes_were_changed_is_refused(refuses, package):
    damage(package / "model.pth")
    message = refuses("submit", "job.yaml", "--set", "model={pretrained: network}")
    assert "model.pth: its bytes are not those the manifest describes" in message


def test_a_manifest_that_was_changed_is_refused(refuses, package):
    manifest = json.loads((package / "manifest.json").read_text())
    (package / "manifest.json").write_text(json.dumps({**manifest, "seed": 77}))
    message = refuses("submit", "job.yaml", "--set", "model={pretrained: network}")
    assert "manifest.json: this manifest was changed by hand" in message


# simulate


def test_simulate_writes_a_scan_that_validates(prints):
    keys = ("--set", "frames=20", "--set", "frame_size=32", "--set", "probe_radius=0.2")
    text = prints("simulate", "scan.npz", *keys)
    assert text == "Wrote scan.npz: 20 frames of 32 x 32 pixels\n"
    prints("init", "job.yaml", "--scan", "scan.npz")
    assert "1 scan" in prints("validate", "job.yaml", "--set", "model={pretrained: none}")


def test_simulate_refuses_what_it_does_not_know_and_replaces_nothing(refuses):
    write()
    assert "--set fraems=20: there is no such key. Did you mean 'frames'" in refuses(
        "simulate", "new.npz", "--set", "fraems=20"
    )
    assert "this file exists" in refuses("simulate", "scan.npz")
    assert refuses("simulate", "scan.h5") == (
        "Error: scan.h5: this name does not end in .npz. Write scan.npz\n"
    )
