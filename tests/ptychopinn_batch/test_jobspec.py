"""The job spec's models: strict, frozen, complete, and consistent between keys."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest
from pydantic import ValidationError

from ptychopinn_batch.jobspec import (
    CnnSettings,
    JobSpec,
    Model,
    Refine,
    Scan,
    StageResources,
    Train,
    UnrolledSettings,
)
from ptychopinn_batch.speclang.schema import known_keys, node_at

SPEC = {"version": 1, "name": "a", "scans": [{"path": "a.npz"}]}


def spec(**more):
    return JobSpec.model_validate({**SPEC, **more})


def complaint(**more):
    with pytest.raises(ValidationError) as caught:
        spec(**more)
    (error,) = caught.value.errors()
    return error["ctx"]["key"], error["msg"]


def test_the_smallest_spec_has_a_version_a_name_and_a_scan():
    small = spec()
    assert small.model.pretrained == "default"
    assert small.train is None
    assert small.infer.steps == 16


def test_a_spec_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        spec().infer.steps = 3


def test_a_spec_is_equal_to_its_json():
    rich = spec(
        train={"unroll": [2, 4], "lr": 1},
        model={"pretrained": "none"},
        resources={"train": {"time": "1-02:00:00"}},
        sweep={"infer.steps": [8, 16]},
        infer={"halo": 64},
    )
    assert JobSpec.model_validate_json(rich.model_dump_json()) == rich


def test_every_key_says_what_it_means():
    undocumented = [key for key, node in known_keys().items() if not node.get("description")]
    assert undocumented == []


def test_every_number_has_a_range_or_a_lower_bound():
    unbounded = []
    for key in known_keys():
        node = node_at(tuple(int(p) if p.isdecimal() else p for p in key.split(".")))
        limits = {"minimum", "exclusiveMinimum"}
        if node.get("type") in ("integer", "number") and "const" not in node:
            unbounded += [key] if not limits & node.keys() else []
    assert unbounded == []


@pytest.mark.parametrize("value", ["10", 10.0, True, None])
def test_numbers_are_not_guessed_from_other_types(value):
    with pytest.raises(ValidationError):
        spec(train={"epochs": value})


def test_an_integer_is_a_number_where_a_number_is_asked_for():
    assert spec(train={"lr": 1}).train.lr == 1.0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_are_finite(value):
    with pytest.raises(ValidationError):
        spec(scans=[{"simulate": {"photons": value}}])


@pytest.mark.parametrize("name", ["", "a b", "../a", ".a", "a/b", "x" * 65, "a\n"])
def test_a_name_is_safe_as_a_folder(name):
    with pytest.raises(ValidationError):
        spec(name=name)


def test_a_scan_has_exactly_one_source():
    key, message = complaint(scans=[{"path": "a", "simulate": {}}])
    assert (key, message) == ("simulate", "a scan has either a path or a simulation")
    assert complaint(scans=[{}])[1] == "a scan needs a path or a simulation"


def test_keys_about_files_are_refused_for_a_simulation():
    key, message = complaint(scans=[{"simulate": {}, "flip_x": True}])
    assert (key, message) == ("flip_x", "this key tells how to read a file, not a simulation")


def test_no_more_frames_can_be_used_than_are_simulated():
    assert complaint(scans=[{"simulate": {"frames": 9}, "frames": 10}])[0] == "frames"


@pytest.mark.parametrize(
    ("simulation", "key"),
    [
        ({"pattern": "spiral", "columns": 5}, "columns"),
        ({"frames": 9, "columns": 10}, "columns"),
        ({"frame_size": 16, "bad_pixels": 129}, "bad_pixels"),
    ],
)
def test_a_simulation_agrees_with_itself(simulation, key):
    assert complaint(scans=[{"simulate": simulation}])[0] == key


@pytest.mark.parametrize("given", [("energy_ev",), ("energy_ev", "distance_m")])
def test_a_geometry_of_a_simulation_is_whole_or_absent(given):
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
def test_keys_that_tell_how_to_read_a_file_are_none_of_a_simulation(key, value):
    assert complaint(scans=[{"simulate": {}, key: value}])[0] == key
    Scan.model_validate({"path": "a", key: value})


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"crop": 30, "bin": 4}, "crop"),
        ({"crop": 33}, "crop"),
        ({"position_columns": ["x", "x"]}, "position_columns"),
        ({"select": "1:2:0"}, "select"),
    ],
)
def test_keys_of_a_file_fit_each_other(keys, key):
    assert complaint(scans=[{"path": "a", **keys}])[0] == key


def test_without_scans_there_is_something_to_train_on_simulations():
    assert complaint(scans=[])[0] == "scans"
    assert complaint(scans=[], train={"simulated": 0.5})[0] == "scans"
    assert spec(scans=[], train={"simulated": 1}).scans == ()


def test_scans_and_pure_simulation_go_together():
    assert spec(train={"simulated": 1}).train.simulated == 1


def test_scan_names_are_unique():
    key, message = complaint(scans=[{"path": "a", "name": "x"}, {"path": "b", "name": "x"}])
    assert (key, message) == ("scans.1.name", "two scans are named 'x' (scans.0 and scans.1)")


@pytest.mark.parametrize("key", ["architecture", "unrolled", "cnn"])
def test_a_pretrained_network_brings_its_own_settings(key):
    given = {"architecture": "unrolled", "unrolled": {}, "cnn": {}}[key]
    assert complaint(model={"pretrained": "default", key: given})[0] == key


def test_a_new_network_is_unrolled_and_states_its_settings():
    model = Model(pretrained="none")
    assert (model.architecture, model.settings) == ("unrolled", UnrolledSettings())
    assert model == Model(pretrained="none", architecture="unrolled", unrolled=UnrolledSettings())


def test_a_new_cnn_has_settings_of_its_own():
    assert Model(pretrained="none", architecture="cnn").settings == CnnSettings()
    wrong = {"pretrained": "none", "architecture": "cnn", "unrolled": {}}
    assert complaint(model=wrong, train={})[0] == "unrolled"


def test_the_settings_of_a_pretrained_network_are_not_known_here():
    with pytest.raises(ValueError, match="manifest"):
        _ = Model().settings


def test_a_new_cnn_is_trained():
    key, message = complaint(model={"pretrained": "none", "architecture": "cnn"})
    assert (key, message) == (
        "model.architecture",
        "a new 'cnn' is of no use without training",
    )


def test_a_cnn_is_not_trained_on_simulated_regions_of_many_sizes():
    cnn = {"pretrained": "none", "architecture": "cnn"}
    assert complaint(model=cnn, train={"simulated": 0.5})[0] == "train.simulated"


def test_a_cnn_fits_the_frames_it_sees():
    cnn = {"pretrained": "none", "architecture": "cnn"}
    assert complaint(model=cnn, train={}, scans=[{"simulate": {"frame_size": 128}}]) == (
        "model.cnn.n",
        "scans.0 has frames of 128 pixels, the network 64",
    )
    large = {**cnn, "cnn": {"gridsize": 3}}
    assert complaint(model=large, train={"frames_per_region": 8})[0] == "model.cnn.gridsize"


@pytest.mark.parametrize(
    ("refine", "expected"),
    [
        ({"probe": False}, ("probe", "nothing is refined")),
        (
            {"probe": False, "positions": True, "modes": 3},
            ("modes", "modes are found by refining the probe"),
        ),
    ],
)
def test_a_refinement_refines_what_it_names(refine, expected):
    assert complaint(refine=refine) == expected


def test_a_cnn_refines_nothing():
    cnn = {"pretrained": "none", "architecture": "cnn"}
    key, message = complaint(model=cnn, train={}, refine={})
    assert (key, message) == ("refine", "a 'cnn' has no steps to refine anything between")


def test_frames_may_be_moved_as_far_as_errors_that_large_are_rare():
    assert Refine(positions=True, position_error=2.0).furthest == 7.0
    assert Refine(positions=True, position_error=0.5).margin == 2
    assert Refine(position_error=2.0).furthest == Refine().margin == 0, "no frame is moved"


def test_unrolled_steps_are_ordered():
    assert complaint(train={"unroll": [6, 3]})[0] == "unroll"
    assert Train(unroll=(3, 3)).unroll == (3, 3)


def test_a_halo_is_in_proportion_to_its_tile():
    assert complaint(infer={"tile": 64, "halo": 200})[0] == "halo"
    assert spec(infer={"tile": 64, "halo": 128}).infer.halo == 128


def test_a_format_is_exported_once():
    assert complaint(export=["npz", "npz"])[0] == "export"


def test_a_sweep_has_one_form():
    assert complaint(sweep={"zip": {"seed": [1]}, "product": {"seed": [1]}})[0] == ""
    assert spec(sweep={"seed": [1]}) == spec(sweep={"product": {"seed": [1]}})


def test_every_device_of_a_training_has_its_gpu():
    few = {"train": {"gpus": 1}}
    assert complaint(train={"devices": 2}, resources=few)[0] == "resources.train.gpus"
    assert spec(train={"devices": 2}, resources={"train": {"gpus": 0}}).train.devices == 2


def test_a_stage_keeps_its_defaults_where_a_limit_is_left_out():
    limits = StageResources.model_validate({"train": {"gpus": 4}}).train
    assert (limits.gpus, limits.time) == (4, timedelta(hours=4))
    asked = limits.resources(nodes=2, tasks_per_node=4)
    assert (asked.gpus, asked.nodes, asked.tasks_per_node) == (4, 2, 4)


def test_a_time_is_read_and_written_as_hours_minutes_seconds():
    limits = StageResources.model_validate({"infer": {"time": "1-00:30:00"}})
    assert limits.infer.time == timedelta(days=1, minutes=30)
    assert json.loads(limits.model_dump_json())["infer"]["time"] == "24:30:00"


def test_the_language_loads_neither_numpy_nor_torch():
    code = (
        "import sys\n"
        "from ptychopinn_batch import jobspec, reference, specfile, sweep, template\n"
        "print({'numpy', 'torch', 'zarr', 'lightning', 'scipy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
