"""The legacy bridge: PtychoPINN's params.cfg, filled before a task touches data.

`tests/data/params_cfg_*.json` hold values observed from PtychoPINN's own bridge: what params.cfg
starts with, and what it holds after one training configuration was written to it.
"""

import json
import operator
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from hpc.errors import UserError
from ptychopinn_batch import legacy
from ptychopinn_batch.jobspec import CnnSettings, Schedule, Train, Weights
from ptychopinn_batch.legacy import LegacySettings, Measured, bridge
from ptychopinn_batch.legacy.table import DEFAULTS, TABLE, Row

pytestmark = pytest.mark.usefixtures("untouched")

DATA = Path(__file__).parents[2] / "data"
DERIVED = {"bigN", "padding_size", "padded_size"}
OBSERVED_TRAINING = LegacySettings(
    purpose="training",
    cnn=CnnSettings(gridsize=2),
    first_frames=1000,
    seed=42,
    train_file="data/train.npz",
    test_file="data/test.npz",
    output="out",
)
# Settings of which none is left to a default of PtychoPINN.
FULL = LegacySettings(
    purpose="training",
    data=Measured(frame_size=128, frames=516, photons=461_213.0),
    cnn=CnnSettings(
        n=128, gridsize=3, filters_scale=1, amplitude_activation="swish", probe_big=False
    ),
    train=Train(
        epochs=7,
        loss="mae",
        weights=Weights(frames=0, object=1),
        schedule=Schedule(kind="plateau", last=0.1),
        weight_decay=0.01,
        clip_norm=0.5,
        frames_per_region=100,
    ),
    first_frames=516,
    seed=3,
    train_file="store",
    test_file="other",
    model="package",
    output="out",
)


def observed(name: str) -> dict:
    return json.loads((DATA / f"params_cfg_{name}.json").read_text())["values"]


def without(values: dict, keys: set[str]) -> dict:
    return {key: value for key, value in values.items() if key not in keys}


def rows_of(purpose: str) -> list[Row]:
    classes = {"ModelConfig", f"{purpose.title()}Config"}
    return [row for row in TABLE if classes & set(row.classes)]


def test_starts_with_the_defaults_of_params_cfg():
    assert observed("defaults") == DEFAULTS


def test_fills_what_the_bridge_of_ptychopinn_fills():
    filled = legacy.populate(OBSERVED_TRAINING)
    assert without(filled, DERIVED) == observed("training")
    assert without(bridge.cfg, DERIVED) == observed("training")


def test_a_group_has_no_more_frames_than_the_scan(refusal_of):
    few = FULL.model_copy(update={"data": Measured(frame_size=128, frames=8, photons=1e5)})
    before = dict(bridge.cfg)
    assert refusal_of(legacy.populate, few) == (
        "a group has 9 frames, the scan only 8",
        "model.cnn.gridsize",
        "Write a smaller gridsize",
    )
    assert bridge.cfg == before


def test_sizes_are_derived_from_what_was_filled():
    filled = legacy.populate(OBSERVED_TRAINING)
    assert {key: filled[key] for key in DERIVED} == {
        "bigN": 64 + 4,
        "padding_size": 4 + 10,
        "padded_size": 64 + 4 + 10,
    }


@pytest.mark.parametrize("purpose", ["training", "inference"])
def test_no_two_rows_fill_the_same_field_or_key(purpose):
    rows = rows_of(purpose)
    for names in (Counter(row.field for row in rows), Counter(row.key for row in rows)):
        assert max(names.values()) == 1


def test_every_row_takes_a_setting_that_exists():
    taken = {row.ours: operator.attrgetter(row.ours)(FULL) for row in TABLE if row.ours}
    assert [name for name, value in taken.items() if value is None] == []


@pytest.mark.parametrize("purpose", ["training", "inference"])
def test_settings_go_there_and_back(purpose):
    filled = legacy.populate(FULL.model_copy(update={"purpose": purpose}))
    for row in (row for row in rows_of(purpose) if row.ours and row.rule is None):
        assert filled[row.key] == operator.attrgetter(row.ours)(FULL), row


def test_renamed_keys_are_those_of_ptychopinn():
    assert {row.field: row.key for row in TABLE if row.renamed} == {
        "object_big": "object.big",
        "probe_big": "probe.big",
        "probe_mask": "probe.mask",
        "probe_trainable": "probe.trainable",
        "intensity_scale_trainable": "intensity_scale.trainable",
        "positions_provided": "positions.provided",
        "output_dir": "output_prefix",
        "train_data_file": "train_data_file_path",
        "test_data_file": "test_data_file_path",
    }


@pytest.mark.parametrize(
    ("loss", "mode", "nll", "mae"),
    [("poisson", "poisson", 1.0, 0.0), ("mae", "mae", 0.0, 1.0), ("amplitude", "mae", 0.0, 1.0)],
)
def test_a_loss_is_a_mode_and_two_weights(loss, mode, nll, mae):
    filled = legacy.populate(LegacySettings(purpose="training", train=Train(loss=loss)))
    assert [filled[k] for k in ("torch_loss_mode", "nll_weight", "mae_weight")] == [mode, nll, mae]


@pytest.mark.parametrize(
    ("schedule", "wanted"),
    [
        ({}, {"scheduler": "WarmupCosine", "lr_min_ratio": 0.02}),
        ({"kind": "constant"}, {"scheduler": "Default"}),
        ({"kind": "exponential"}, {"scheduler": "Exponential"}),
        (
            {"kind": "plateau", "factor": 0.3, "patience": 4, "threshold": 0.1, "last": 0.1},
            {
                "scheduler": "ReduceLROnPlateau",
                "plateau_factor": 0.3,
                "plateau_patience": 4,
                "plateau_threshold": 0.1,
                "plateau_min_lr": 1e-4,
            },
        ),
    ],
)
def test_schedules_are_said_as_upstream_says_them(schedule, wanted):
    train = Train.model_validate({"schedule": schedule, "lr": 1e-3})
    filled = legacy.populate(LegacySettings(purpose="training", train=train))
    assert {key: filled[key] for key in wanted} == pytest.approx(wanted)


def test_a_loss_that_looks_at_objects_alone_is_supervised():
    train = Train.model_validate({"weights": {"frames": 0, "object": 1}})
    assert legacy.populate(LegacySettings(purpose="training", train=train))["model_type"] == (
        "supervised"
    )


def test_a_network_says_its_frame_size_where_no_frames_do():
    settings = LegacySettings(purpose="training", cnn=CnnSettings(n=128))
    assert legacy.populate(settings)["N"] == 128


@pytest.mark.parametrize("function", ["sigmoid", "unit_sigmoid"])
def test_a_sigmoid_is_a_sigmoid(function):
    settings = LegacySettings(purpose="training", cnn=CnnSettings(amplitude_activation=function))
    assert legacy.populate(settings)["amp_activation"] == "sigmoid"


# What PtychoPINN's own modules read of params.cfg.
CONSUMERS = {
    "raw_data": "N gridsize n_groups neighbor_count",
    "loader": "N gridsize",
    "tf_helper": "N gridsize offset max_position_jitter tv_weight realspace_mae_weight probe.big "
    "use_xla_translate bigN padded_size",
    "model": "N gridsize n_filters_scale object.big probe.big probe.mask pad_object amp_activation "
    "intensity_scale intensity_scale.trainable probe.trainable gaussian_smoothing_sigma mae_weight "
    "nll_weight realspace_weight batch_size",
    "diffsim": "nphotons N batch_size data_source set_phi gridsize offset sim_jitter_scale",
    "probe": "N default_probe_scale probe_scale probe.mask",
    "train_pinn": "nphotons N batch_size nepochs",
    "evaluation": "offset",
}


@pytest.mark.parametrize("module", CONSUMERS)
@pytest.mark.parametrize("purpose", ["training", "inference"])
def test_every_module_of_ptychopinn_finds_what_it_reads(module, purpose):
    filled = legacy.populate(FULL.model_copy(update={"purpose": purpose}))
    assert [key for key in CONSUMERS[module].split() if filled.get(key) is None] == []


def test_grouping_by_params_cfg_gives_groups_of_the_networks_size():
    """As `RawData` groups: `n_groups` seeds, each with `gridsize^2` of its `neighbor_count`."""
    filled = legacy.populate(FULL)
    positions = np.random.default_rng(0).uniform(0, 60, (FULL.data.frames, 2))
    members = filled["gridsize"] ** 2
    near = cKDTree(positions).query(positions[: filled["n_groups"]], filled["neighbor_count"] + 1)
    groups = near[1][:, 1 : 1 + members]
    assert groups.shape == (FULL.data.frames, FULL.cnn.group)
    assert all(len(set(group)) == members for group in groups.tolist())


@pytest.mark.parametrize(("frames", "batch"), [(4, 4), (100, 64), (256, 256)])
def test_a_batch_is_the_largest_power_of_two_of_a_region(frames, batch):
    train = Train(frames_per_region=frames)
    assert legacy.populate(LegacySettings(purpose="training", train=train))["batch_size"] == batch


@pytest.mark.parametrize(("gridsize", "neighbours"), [(1, 4), (2, 4), (3, 9)])
def test_there_are_as_many_neighbours_as_a_group_needs(gridsize, neighbours):
    settings = LegacySettings(purpose="inference", cnn=CnnSettings(gridsize=gridsize))
    assert legacy.populate(settings)["neighbor_count"] == neighbours


@pytest.mark.parametrize("purpose", ["training", "inference"])
def test_the_dose_is_the_measured_one_and_sets_the_intensity_scale(purpose):
    data = Measured(frame_size=64, frames=10, photons=1e6)
    filled = legacy.populate(LegacySettings(purpose=purpose, data=data))
    assert filled["nphotons"] == 1e6
    assert filled["intensity_scale"] == pytest.approx(1e3 / 32)


def test_without_measured_frames_there_is_no_intensity_scale():
    assert "intensity_scale" not in legacy.populate(LegacySettings(purpose="training"))


def test_none_never_clears():
    legacy.populate(FULL)
    filled = legacy.populate(LegacySettings(purpose="training"))
    assert filled["n_subsample"] == 516
    assert filled["gradient_clip_val"] == 0.5
    assert filled["intensity_scale"] == pytest.approx(2 * 461_213**0.5 / 128)


def test_the_default_of_inference_is_all_frames():
    legacy.populate(LegacySettings(purpose="inference"))
    assert "n_groups" not in bridge.cfg


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("data_source", "guess", "one of lines, grf, .*generic"),
        ("realspace_mae_weight", 0.5, "above 0 where realspace_mae_weight is"),
        ("nll_weight", 1.5, "from 0 to 1"),
        ("batch_size", 48, "a power of two"),
        ("nphotons", 0.0, "above 0"),
        ("neighbor_count", 3, "at least gridsize"),
        ("gaussian_smoothing_sigma", -1.0, "0 or above"),
    ],
)
def test_values_that_break_a_rule_are_refused(key, value, message):
    values = {**DEFAULTS, key: value}
    with pytest.raises(UserError, match=rf"params\.cfg .*{message}"):
        bridge.check(values)


def test_the_defaults_break_no_rule():
    bridge.check(DEFAULTS)


def test_a_refusal_changes_nothing():
    bridge.cfg["data_source"] = "guess"
    before = dict(bridge.cfg)
    with pytest.raises(UserError, match="data_source"):
        legacy.populate(FULL)
    assert bridge.cfg == before


def test_a_group_larger_than_the_scan_is_refused():
    few = Measured(frame_size=64, frames=3, photons=1e6)
    settings = LegacySettings(purpose="training", data=few, cnn=CnnSettings(gridsize=2))
    with pytest.raises(UserError, match=r"model\.cnn\.gridsize: a group has 4 frames.* only 3"):
        legacy.populate(settings)


# PtychoPINN as documented: a dictionary, configuration classes, and a bridge from these to it.
FAKE_CONFIG = """
import dataclasses, pathlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

KEYS = {"object_big": "object.big", "probe_big": "probe.big", "output_dir": "output_prefix",
    "train_data_file": "train_data_file_path", "test_data_file": "test_data_file_path"}

@dataclass(frozen=True)
class ModelConfig:
    N: int = 64
    gridsize: int = 1
    amp_activation: str = "sigmoid"
    object_big: bool = True
    probe_big: bool = True

@dataclass
class TrainingConfig:
    model: ModelConfig
    train_data_file: Optional[Path] = None
    nphotons: float = 1e9
    n_groups: Optional[int] = None
    n_subsample: Optional[int] = None
    nepochs: int = 50
    output_dir: Path = Path("training_outputs")

@dataclass
class InferenceConfig:
    model: ModelConfig
    model_path: Path
    test_data_file: Path
    n_groups: Optional[int] = None
    output_dir: Path = Path("inference_outputs")

def update_legacy_dict(cfg, config):
    assert all(isinstance(v, Path) for k, v in vars(config).items()
        if k in ("train_data_file", "test_data_file", "model_path", "output_dir") and v is not None)
    values = dataclasses.asdict(config)
    values.update(values.pop("model"))
    for name, value in values.items():
        if value is not None:
            cfg[KEYS.get(name, name)] = str(value) if isinstance(value, Path) else value
    cfg["written by"] = "upstream's own bridge"
"""
FILL = """
import json, sys
from ptychopinn_batch.legacy import LegacySettings, bridge, populate
from ptychopinn_batch.legacy.table import DEFAULTS
filled = populate(LegacySettings.model_validate_json(sys.argv[1]))
cfg = sys.modules["ptycho.params"].cfg if "ptycho.params" in sys.modules else None
print(json.dumps({"filled": filled, "cfg": cfg, "ours": bridge.cfg,
    "torch": "torch" in sys.modules}, default=repr))
"""


@pytest.fixture
def fake_ptycho(tmp_path) -> Path:
    """A `ptycho` package that a process can import."""
    config = tmp_path / "ptycho" / "config"
    config.mkdir(parents=True)
    for folder in (config, config.parent):
        (folder / "__init__.py").touch()
    (config / "config.py").write_text(FAKE_CONFIG)
    (config.parent / "params.py").write_text(f"cfg = {observed('defaults')!r}\ncfg['probe'] = []\n")
    return tmp_path


def fill_in_process(folder: Path, settings: LegacySettings) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", FILL, settings.model_dump_json()],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_fills_the_dictionary_of_an_importable_ptycho_by_its_own_bridge(fake_ptycho):
    result = fill_in_process(fake_ptycho, FULL)
    cfg = result["cfg"]
    assert cfg["written by"] == "upstream's own bridge"
    assert {k: cfg[k] for k in ("N", "gridsize", "amp_activation", "probe.big", "nepochs")} == {
        "N": 128,
        "gridsize": 3,
        "amp_activation": "swish",
        "probe.big": False,
        "nepochs": 7,
    }
    assert cfg["nphotons"] == 461_213.0
    assert cfg["train_data_file_path"] == "store"
    assert cfg["intensity_scale"] == pytest.approx(2 * 461_213**0.5 / 128)
    assert "weight_decay" not in cfg  # this version of ptycho has no such field
    assert result["ours"] == DEFAULTS
    assert not result["torch"]


def test_what_is_returned_is_that_dictionary_as_far_as_json_holds_it(fake_ptycho):
    result = fill_in_process(fake_ptycho, FULL)
    assert result["cfg"].pop("probe") == []
    assert without(result["filled"], DERIVED) == result["cfg"]
    assert result["filled"]["bigN"] == 128 + 2 * 4


def test_inference_goes_through_its_own_class_and_keeps_the_dose(fake_ptycho):
    settings = FULL.model_copy(update={"purpose": "inference", "train": None})
    cfg = fill_in_process(fake_ptycho, settings)["cfg"]
    assert (cfg["model_path"], cfg["test_data_file_path"]) == ("package", "other")
    assert cfg["nphotons"] == 461_213.0
    assert cfg["nepochs"] == 60


def test_a_ptycho_that_cannot_be_imported_is_left_alone(fake_ptycho):
    (fake_ptycho / "ptycho" / "params.py").write_text("import no_such_module_at_all\n")
    result = fill_in_process(fake_ptycho, OBSERVED_TRAINING)
    assert result["cfg"] is None
    assert without(result["filled"], DERIVED) == observed("training")
