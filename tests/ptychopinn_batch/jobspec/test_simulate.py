"""A simulation agrees with itself."""

import pytest


@pytest.mark.parametrize(
    ("simulation", "expected"),
    [
        (
            {"pattern": "spiral", "columns": 5},
            ("columns", "a spiral has no columns", "Remove the key, or write a grid"),
        ),
        (
            {"frames": 9, "columns": 10},
            ("columns", "10 columns, but 9 frames", "Write a number up to `frames`"),
        ),
        (
            {"frame_size": 16, "bad_pixels": 129},
            (
                "bad_pixels",
                "129 bad pixels of 256 leave too few",
                "Write fewer than half of the pixels",
            ),
        ),
        (
            {"modes": 2, "recorded_modes": 3},
            (
                "recorded_modes",
                "3 modes recorded, but the probe has 2",
                "Write a number up to `modes`",
            ),
        ),
        (
            {"probe": "diffuser", "probe_defocus_error": 0.1},
            (
                "probe_defocus_error",
                "a diffuser has no defocus to be wrong",
                "Remove the key, or write a lens",
            ),
        ),
        (
            {"frame_size": 64, "beamstop": 17},
            ("beamstop", "a beamstop of radius 17 on frames of 64", "Write a radius up to 16"),
        ),
    ],
)
def test_a_simulation_agrees_with_itself(refused, simulation, expected):
    assert refused(scans=[{"simulate": simulation}]) == expected
