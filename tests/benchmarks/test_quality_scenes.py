"""The scans of the quality bench are those that were promised."""

import pytest
from quality_bench.scenes import ERRORS, own_scenes, scenes_beside

SCENES = {scene.name: scene for scene in own_scenes()}


def settings(name):
    return SCENES[name].scan.simulate


def test_every_scan_has_a_name_of_its_own():
    assert len(SCENES) == len(list(own_scenes())) >= 25


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("photons", {1e3, 1e4, 1e6, 1e8, 1e9}),
        ("frame_size", {32, 64, 128, 256}),
        ("modes", {1, 3, 6}),
        ("pattern", {"jittered_grid", "raster", "spiral", "lines"}),
        ("probe", {"lens", "ring", "diffuser"}),
        ("position_error", {0.0, 1.0, 3.0, 10.0}),
        ("probe_defocus_error", {0.0, 0.2}),
    ],
)
def test_the_bench_covers(key, values):
    assert {getattr(s.scan.simulate, key) for s in SCENES.values() if s.varies} == values


def test_objects_are_not_those_the_networks_learn_from():
    assert {s.scan.simulate.object for s in SCENES.values() if s.varies} == {"natural", "star"}


def test_scans_that_are_wrong_on_purpose_know_their_truth():
    wrong = {name for name, scene in SCENES.items() if not scene.right}
    assert wrong == {"modes_3_from_1", "positions_1", "positions_3", "positions_10", "defocus_20"}
    true = SCENES["modes_3_from_1"].true()
    assert len(true.probe) == 3
    assert len(SCENES["modes_3_from_1"].raw().probe) == 1
    assert all(hasattr(settings("lens"), key) for key in ERRORS)


def test_another_seed_is_another_scan_of_the_same_kind():
    one, other = SCENES["photo_1e6"], SCENES["photo_1e6"].with_seed(1)
    assert (one.raw().positions != other.raw().positions).any()
    assert other.name == one.name
    star = SCENES["siemens_star_128"]
    assert star.with_seed(1) is star


def test_scans_beside_are_taken_where_they_are(tmp_path):
    assert list(scenes_beside(tmp_path)) == []
    (tmp_path / "run1084_semireal_64.npz").touch()
    known, start = scenes_beside(tmp_path)
    assert (known.right, start.right) == (True, False)
