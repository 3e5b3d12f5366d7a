"""A simulation agrees with itself."""

import pytest


@pytest.mark.parametrize(
    ("simulation", "key"),
    [
        ({"pattern": "spiral", "columns": 5}, "columns"),
        ({"frames": 9, "columns": 10}, "columns"),
        ({"frame_size": 16, "bad_pixels": 129}, "bad_pixels"),
    ],
)
def test_a_simulation_agrees_with_itself(complaint, simulation, key):
    assert complaint(scans=[{"simulate": simulation}])[0] == key
