"""PtychoPINN's PyTorch configuration as params.cfg: the documented mappings, rules and refusals."""

from pathlib import Path

import pytest

from hpc.errors import UserError
from ptychopinn_batch.legacy import bridge, populate_torch
from ptychopinn_batch.legacy.canonical import CHOICES, check, configured

pytestmark = pytest.mark.usefixtures("untouched")

GIVEN = {"train_data_file": "train.npz", "n_groups": 64, "nphotons": 3e6}


def filled(overrides=GIVEN, **sections):
    return populate_torch(
        {f"{name}_config": s for name, s in sections.items()}, "TrainingConfig", overrides
    )


def test_the_nine_fields_of_the_bridge():
    values = filled(
        {"n_groups": 77, "test_data_file": "t.npz"},
        data={"N": 128, "grid_size": [3, 3], "K": 12, "nphotons": 4e6},
        model={"mode": "Supervised"},
        training={"train_data_file": "a.npz"},
    )
    wanted = {
        "N": 128,
        "gridsize": 3,
        "model_type": "supervised",
        "train_data_file_path": "a.npz",
        "test_data_file_path": "t.npz",
        "n_groups": 77,
        "neighbor_count": 12,
        "nphotons": 4e6,
    }
    assert {name: values[name] for name in wanted} == wanted


def test_inference_needs_a_bundle_and_frames(tmp_path):
    (tmp_path / "wts.h5.zip").touch()
    given = {"model_path": str(tmp_path), "test_data_file": "t.npz"}
    for place in (tmp_path, tmp_path / "wts.h5.zip", tmp_path / "wts.h5"):
        values = populate_torch({}, "InferenceConfig", {**given, "model_path": str(place)})
        assert values["model_path"] == str(place)
        assert values["output_prefix"] == "inference_outputs"
        assert values["debug"] is False
    with pytest.raises(UserError, match=r"no wts\.h5\.zip here"):
        populate_torch({}, "InferenceConfig", {**given, "model_path": str(tmp_path / "x")})
    for name in given:
        with pytest.raises(UserError, match=f"InferenceConfig needs {name}"):
            populate_torch({}, "InferenceConfig", {**given, name: None})


@pytest.mark.parametrize(
    ("section", "values", "key", "expected"),
    [
        ("model", {"amp_activation": "silu"}, "amp_activation", "swish"),
        ("model", {"amp_activation": "SiLU"}, "amp_activation", "swish"),
        ("model", {"amp_activation": "sigmoid"}, "amp_activation", "sigmoid"),
        ("model", {"amp_activation": "softplus"}, "amp_activation", "softplus"),
        ("model", {"amp_activation": "relu"}, "amp_activation", "relu"),
        ("model", {"n_filters_scale": 3}, "n_filters_scale", 3),
        ("model", {"object_big": False}, "object.big", False),
        ("model", {"probe_big": False}, "probe.big", False),
        ("model", {"pad_object": False}, "pad_object", False),
        ("model", {"gaussian_smoothing_sigma": 0.5}, "gaussian_smoothing_sigma", 0.5),
        ("model", {"probe_mask": True}, "probe.mask", True),
        ("model", {"probe_mask": False}, "probe.mask", False),
        ("model", {"probe_mask": None}, "probe.mask", False),
        ("model", {"probe_mask_tensor": object()}, "probe.mask", True),
        ("model", {"intensity_scale_trainable": True}, "intensity_scale.trainable", True),
        ("data", {"probe_scale": 1.0}, "probe_scale", 1.0),
        ("data", {"subsample_seed": 4}, "subsample_seed", 4),
        ("training", {"batch_size": 32}, "batch_size", 32),
        ("training", {"epochs": 7}, "nepochs", 7),
        ("training", {"nll": True}, "nll_weight", 1.0),
        ("training", {"nll": False}, "nll_weight", 0.0),
        ("training", {"torch_loss_mode": "mae"}, "torch_loss_mode", "mae"),
    ],
)
def test_a_field_goes_where_it_belongs(section, values, key, expected):
    assert filled(**{section: values})[key] == expected


def test_constants_of_the_bridge():
    values = filled()
    wanted = {
        "mae_weight": 0.0,
        "realspace_weight": 0.0,
        "realspace_mae_weight": 0.0,
        "output_prefix": "training_outputs",
        "backend": "pytorch",
        "positions.provided": True,
        "probe.trainable": False,
        "sequential_sampling": False,
    }
    assert {name: values[name] for name in wanted} == wanted
    assert "n_subsample" not in values


def test_overrides_win_over_everything():
    assert filled({**GIVEN, "N": 256, "gridsize": 1}, data={"N": 64})["N"] == 256


@pytest.mark.parametrize(
    ("sections", "overrides", "message"),
    [
        ({"data": {"grid_size": [2, 3]}}, GIVEN, "2 x 3 frames are not square"),
        (
            {"model": {"mode": "Semi"}},
            GIVEN,
            r"model_config\.mode: unknown mode 'Semi'\. Write Unsupervised or Supervised",
        ),
        (
            {"model": {"amp_activation": "mish"}},
            GIVEN,
            "unknown activation 'mish'. Write sigmoid, swish, softplus, relu",
        ),
        ({}, {**GIVEN, "nphotons": None}, "nphotons is still the default of 100000"),
        ({}, {**GIVEN, "train_data_file": None}, "TrainingConfig needs train_data_file"),
        ({}, {**GIVEN, "n_groups": None}, "TrainingConfig needs n_groups"),
        (
            {"data": {"N": "big"}},
            GIVEN,
            r"not a configuration of PtychoPINN \(data_config\.N: .*\)\. Only configurations that",
        ),
        (
            {},
            {**GIVEN, "nepoch": 3},
            r"^nepoch: TrainingConfig has no field 'nepoch'\. Did you mean nepochs\?",
        ),
        ({}, {**GIVEN, "zzz": 3}, r"^zzz: TrainingConfig has no field 'zzz'\. Remove it$"),
        ({"data": {"K": 3}}, GIVEN, "neighbor_count: is 3, but must be at least gridsize"),
        ({"training": {"batch_size": 24}}, GIVEN, "batch_size: is 24, but must be a power of two"),
    ],
)
def test_what_is_refused(sections, overrides, message):
    before = dict(bridge.cfg)
    with pytest.raises(UserError, match=message):
        filled(overrides, **sections)
    assert bridge.cfg == before


def test_a_default_dose_may_be_meant():
    assert filled({**GIVEN, "nphotons": 1e5})["nphotons"] == 1e5


def test_missing_frames_to_test_on_are_told(caplog):
    filled()
    assert "no test_data_file" in caplog.text


def test_the_older_name_of_groups_is_taken_and_told():
    with pytest.warns(DeprecationWarning, match="n_groups"):
        config = configured("TrainingConfig", {"n_images": 9})
    assert config.flattened()["n_groups"] == 9


@pytest.mark.parametrize("key", CHOICES)
def test_words_are_those_that_ptychopinn_knows(key):
    for word in CHOICES[key]:
        check({key: word})
    with pytest.raises(UserError, match=rf"params\.cfg {key}: is 'other', but must be one of"):
        check({key: "other"})


@pytest.mark.parametrize("path", [Path("a"), "a"])
def test_paths_become_text(path):
    assert filled({**GIVEN, "train_data_file": path})["train_data_file_path"] == "a"
