"""A scan has one source, and keys that fit it."""

import pytest

from ptychopinn_batch.jobspec import Scan


def test_a_scan_has_exactly_one_source(complaint):
    key, message = complaint(scans=[{"path": "a", "simulate": {}}])
    assert (key, message) == ("simulate", "a scan has either a path or a simulation")
    assert complaint(scans=[{}])[1] == "a scan needs a path or a simulation"


def test_keys_about_files_are_refused_for_a_simulation(complaint):
    key, message = complaint(scans=[{"simulate": {}, "flip_x": True}])
    assert (key, message) == ("flip_x", "this key tells how to read a file, not a simulation")


def test_no_more_frames_can_be_used_than_are_simulated(refused):
    assert refused(scans=[{"simulate": {"frames": 9}, "frames": 10}]) == (
        "frames",
        "10 frames asked for, 9 simulated",
        "Remove the key",
    )


@pytest.mark.parametrize("given", [("energy_ev",), ("energy_ev", "distance_m")])
def test_a_geometry_of_a_simulation_is_whole_or_absent(complaint, given):
    key, message = complaint(scans=[{"simulate": {}, **dict.fromkeys(given, 1.0)}])
    assert key not in given
    assert message.startswith("the geometry lacks ")
    whole = Scan(simulate={}, energy_ev=8e3, distance_m=2.0, detector_pixel_m=75e-6)
    assert whole.energy_ev == 8e3
    assert Scan(path="a", **dict.fromkeys(given, 1.0)).path == "a"  # the file may have the rest


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("crop", 256),
        ("bin", 2),
        ("rotation", 3.0),
        ("select", "::2"),
        ("format", "cxi"),
        ("files", {"mask": "mask.npy"}),
        ("datasets", {"frames": "/data"}),
        ("position_unit", "um"),
        ("flip_x", True),
    ],
)
def test_keys_that_tell_how_to_read_a_file_are_none_of_a_simulation(complaint, key, value):
    assert complaint(scans=[{"simulate": {}, key: value}])[0] == key
    Scan.model_validate({"path": "a", key: value})


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"crop": 30, "bin": 4},
            ("crop", "30 pixels do not make an even number of bins", "Write 24"),
        ),
        ({"crop": 33}, ("crop", "33 pixels do not make an even number of bins", "Write 32")),
        (
            {"position_columns": ["x", "x"]},
            ("position_columns", "x and y are different columns", "Write [x, y]"),
        ),
        ({"select": "1:2:0"}, ("select", "a step of 0", "Write a step of 1 or more")),
        ({"select": "::00"}, ("select", "a step of 0", "Write a step of 1 or more")),
        (
            {"select": ":0"},
            ("select", "it stops before its first frame", "Write a larger stop, or none"),
        ),
        (
            {"select": "7:7"},
            ("select", "it stops before its first frame", "Write a larger stop, or none"),
        ),
    ],
)
def test_keys_of_a_file_fit_each_other(refused, keys, expected):
    assert refused(scans=[{"path": "a", **keys}]) == expected
