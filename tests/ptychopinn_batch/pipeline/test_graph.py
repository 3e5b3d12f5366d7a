"""From a spec to tasks: who shares work with whom, and what a changed key makes run again."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc.errors import UserError
from hpc.ledger import Ended, Started, append
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.submission import plan_run
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.inputs.facts import Facts, Package, ScanFacts
from ptychopinn_batch.jobspec import SIMULATED_KEYS, CnnSettings, Scan
from ptychopinn_batch.pipeline import build_tasks
from ptychopinn_batch.speclang.document import Document
from ptychopinn_batch.speclang.file import LoadedSpec
from ptychopinn_batch.speclang.schema import known_keys, node_at
from ptychopinn_batch.speclang.sources import resolved
from ptychopinn_batch.speclang.variants import expand
from ptychopinn_batch.stages.params import (
    FinalizeParams,
    InferParams,
    InputIdentity,
    PackageParams,
    RefineParams,
    TrainParams,
)

TWO_SCANS = """\
version: 1
name: two
scans:
  - name: a
    simulate: {frames: 100, frame_size: 64}
  - name: b
    simulate: {frames: 100, frame_size: 64, seed: 2}
model: {pretrained: none}
train: {}
"""
ONE_FILE = TWO_SCANS.replace("simulate: {frames: 100, frame_size: 64}\n", "path: a.npz\n", 1)
NO_TRAINING = TWO_SCANS.replace("model: {pretrained: none}\ntrain: {}\n", "")
SHIPPED = {"default": Package(Path("/site/pretrained/default"), "d" * 64, "unrolled")}
HERE = (Path("/specs"),)
RUN = RunPaths(Path("/runs"), "two")


def facts_of(scan):
    simulation = scan.simulate
    if simulation is None:
        return file_facts()
    side = int(np.ceil(np.sqrt(simulation.frames)) * simulation.step)
    positions = np.array([[0.0, 0.0], [side, side]])
    canvas = Canvas.around(positions, simulation.frame_size)
    frames = min(simulation.frames, scan.frames or simulation.frames)
    return ScanFacts(frames, simulation.frame_size, canvas, None)


def file_facts(sha256="a" * 64, reader="ptychopinn"):
    canvas = Canvas(x0=0, y0=0, height=200, width=200)
    return ScanFacts(100, 64, canvas, InputIdentity(sha256=sha256, size=10), reader)


def document_of(text, changes=()):
    document = Document.read(text, "spec.yaml")
    for key, value in dict(changes).items():
        document = document.with_value(key, value, f"--set {key}")
    return document


def tasks_of(text, changes=(), *, packages=SHIPPED, run=RUN, here=HERE, image=None):
    document = document_of(text, changes)
    spec = resolved(document.checked(), document, here)
    variants = expand(LoadedSpec(spec, here[0] / "spec.yaml", text, document))
    scans = {scan: facts_of(scan) for variant in variants for scan in variant.spec.scans}
    return {task.id: task for task in build_tasks(variants, Facts(scans, packages), run, image)}


def keys(tasks):
    return {name: task.key for name, task in tasks.items()}


def changed(text, changes, beside=(), **options):
    """Names of the tasks that are other ones after a change of a spec that says more besides."""
    beside = dict(beside)
    before = keys(tasks_of(text, beside, **options))
    after = keys(tasks_of(text, {**beside, **changes}, **options))
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


# The graph


def test_scans_are_prepared_then_trained_on_then_reconstructed_then_written_out():
    tasks = tasks_of(TWO_SCANS)
    assert {name: task.needs for name, task in tasks.items()} == {
        "prepare-a": (),
        "prepare-b": (),
        "train-default": ("prepare-a", "prepare-b"),
        "package-default": ("train-default",),
        "infer-default-a-0": ("prepare-a", "train-default"),
        "finalize-default-a": ("prepare-a", "train-default", "infer-default-a-0"),
        "infer-default-b-0": ("prepare-b", "train-default"),
        "finalize-default-b": ("prepare-b", "train-default", "infer-default-b-0"),
    }


def test_without_training_no_scan_waits_for_another():
    tasks = tasks_of(NO_TRAINING)
    assert tasks["infer-default-a-0"].needs == ("prepare-a",)
    assert tasks["package-default"].needs == ()
    assert "train-default" not in tasks


def test_a_training_on_simulations_alone_needs_no_scan():
    only = "version: 1\nname: p\nmodel: {pretrained: none}\ntrain: {simulated: 1}\n"
    assert list(tasks_of(only)) == ["train-default", "package-default"]
    with_scans = tasks_of(TWO_SCANS, {"train.simulated": 1})
    assert with_scans["train-default"].needs == ()
    assert TrainParams.of(with_scans["train-default"]).stores == ()


def test_every_task_can_be_run_by_a_function_of_its_stage():
    for task in tasks_of(TWO_SCANS).values():
        assert task.entry == f"ptychopinn_batch.stages.{task.stage}:run"
        assert task.stage == task.id.split("-")[0]


def test_tiles_are_dealt_out_in_blocks_that_hold_each_once():
    tasks = tasks_of(TWO_SCANS, {"infer.tile": 64, "infer.tiles_per_task": 3})
    infers = [t for t in tasks.values() if t.id.startswith("infer-default-a-")]
    params = [InferParams.of(task) for task in infers]
    rows, columns = params[0].canvas.tile_counts(64)
    assert [n for p in params for n in range(*p.tiles)] == list(range(rows * columns))
    assert len({p.array_key for p in params}) == 1
    assert tasks["finalize-default-a"].needs == (
        "prepare-a",
        "train-default",
        *(t.id for t in infers),
    )


def test_stages_agree_on_store_network_and_array():
    tasks = tasks_of(TWO_SCANS)
    infer = InferParams.of(tasks["infer-default-b-0"])
    finalize = FinalizeParams.of(tasks["finalize-default-b"])
    assert infer.store == finalize.store == tasks["prepare-b"].key
    assert infer.network == finalize.network == tasks["train-default"].key
    assert infer.array_key == finalize.array_key
    assert infer.canvas == finalize.canvas


def test_a_packaged_network_is_known_by_its_content_and_found_by_its_folder():
    tasks = tasks_of(NO_TRAINING)
    assert InferParams.of(tasks["infer-default-a-0"]).network == f"pretrained:{'d' * 64}"
    assert tasks["infer-default-a-0"].extras["package"] == "/site/pretrained/default"
    elsewhere = {"default": Package(Path("/other/place"), "d" * 64, "unrolled")}
    assert keys(tasks_of(NO_TRAINING, packages=elsewhere)) == keys(tasks)
    other = {"default": Package(Path("/site/pretrained/default"), "e" * 64, "unrolled")}
    assert keys(tasks_of(NO_TRAINING, packages=other))["infer-default-a-0"] != (
        tasks["infer-default-a-0"].key
    )


def test_formats_of_the_network_are_written_with_it_and_those_of_results_with_them():
    cnn = "pretrained: none, architecture: cnn, cnn: {input: amplitude}}"
    spec = TWO_SCANS.replace("pretrained: none}", cnn)
    tasks = tasks_of(spec, {"export": ["png", "safetensors", "bundle", "ome-zarr"]})
    package = tasks["package-default"]
    assert PackageParams.of(package).export == ("bundle", "safetensors")
    assert {Path(path).name for path in package.outputs} == {
        "model.pth",
        "manifest.json",
        "wts.h5.zip",
        "model.safetensors",
    }
    finalize = tasks["finalize-default-a"]
    assert FinalizeParams.of(finalize).export == ("ome-zarr", "png")
    names = {Path(path).name for path in finalize.outputs}
    assert {"image", "amplitude.png", "phase.png"} <= names
    assert not {"product.h5", "amplitude.tiff", "wts.h5.zip"} & names


@pytest.mark.parametrize("text", [TWO_SCANS, NO_TRAINING])
def test_a_bundle_needs_a_network_that_ptychopinn_knows(text):
    with pytest.raises(UserError, match="export: PtychoPINN knows no network 'unrolled'"):
        tasks_of(text, {"export": ["bundle"]})


def test_a_bundle_that_ptychopinn_cannot_hold_is_refused_before_the_training():
    spec = TWO_SCANS.replace("pretrained: none}", "pretrained: none, architecture: cnn}")
    with pytest.raises(UserError, match=r"model\.cnn\.input: .*Take amplitude"):
        tasks_of(spec, {"export": ["bundle"]})


def test_nor_of_a_package_that_it_cannot_hold():
    contrast = Package(Path("/site/cnn"), "e" * 64, "cnn", CnnSettings())
    with pytest.raises(UserError, match=r"model\.cnn\.input: .*Take amplitude"):
        tasks_of(NO_TRAINING, {"export": ["bundle"]}, packages={"default": contrast})


def test_an_adaptation_starts_from_the_package():
    train = tasks_of(NO_TRAINING, {"train": {}})["train-default"]
    assert TrainParams.of(train).start == "d" * 64
    assert train.extras["pretrained"] == "/site/pretrained/default"


def test_a_new_network_without_training_is_told_to_those_who_use_it():
    tasks = tasks_of(TWO_SCANS, {"train": None, "seed": 7})
    infer = tasks["infer-default-a-0"]
    assert InferParams.of(infer).network.startswith("untrained:")
    assert PackageParams.of(tasks["package-default"]).network == InferParams.of(infer).network
    assert infer.extras["seed"] == 7
    assert infer.extras["model"]["architecture"] == "unrolled"


# Refinement

REFINED = NO_TRAINING + "refine: {positions: true}\n"


def test_a_scan_is_refined_between_its_preparation_and_its_reconstruction():
    tasks = tasks_of(TWO_SCANS, {"refine": {}})
    needs = {name: task.needs for name, task in tasks.items() if name.endswith(("-a", "-a-0"))}
    assert needs == {
        "prepare-a": (),
        "refine-default-a": ("prepare-a", "train-default"),
        "infer-default-a-0": ("refine-default-a", "train-default"),
        "finalize-default-a": ("refine-default-a", "train-default", "infer-default-a-0"),
    }
    assert tasks["train-default"].needs == ("prepare-a", "prepare-b"), "on scans as they are"


def test_without_that_section_nothing_is_refined():
    assert not [task for task in tasks_of(NO_TRAINING).values() if task.stage == "refine"]


def test_what_is_refined_is_a_store_that_later_stages_read():
    tasks = tasks_of(REFINED)
    refine = tasks["refine-default-a"]
    assert refine.outputs == (f".stores/{refine.key}",)
    assert RefineParams.of(refine).store == tasks["prepare-a"].key
    assert InferParams.of(tasks["infer-default-a-0"]).store == refine.key
    assert FinalizeParams.of(tasks["finalize-default-a"]).store == refine.key


def test_the_canvas_has_room_for_frames_that_are_moved_and_for_no_others():
    plain = InferParams.of(tasks_of(NO_TRAINING)["infer-default-a-0"]).canvas
    tasks = tasks_of(REFINED, {"refine.position_error": 3.1})
    stages = (RefineParams, InferParams, FinalizeParams)
    names = ("refine-default-a", "infer-default-a-0", "finalize-default-a")
    for stage, name in zip(stages, names, strict=True):
        assert stage.of(tasks[name]).canvas == plain.grown(11)
    probe = tasks_of(NO_TRAINING, {"refine": {}})
    assert InferParams.of(probe["infer-default-a-0"]).canvas == plain


def test_a_longer_reconstruction_repeats_no_refinement():
    assert changed(REFINED, {"infer.steps": 32}) == RECONSTRUCTION


def test_nor_does_a_sweep_over_it_which_shares_the_refinement():
    plain, swept = tasks_of(REFINED), tasks_of(REFINED, {"sweep": {"infer.steps": [8, 16]}})
    assert [name for name in swept if name.startswith("refine")] == [
        "refine-default-a",
        "refine-default-b",
    ]
    assert swept["refine-default-a"].key == plain["refine-default-a"].key


def test_positions_are_found_tile_by_tile_but_the_probe_is_not():
    tiles = {"infer.tile": 256}
    refined = {"refine-default-a", "refine-default-b"}
    assert changed(REFINED, tiles) == refined | RECONSTRUCTION
    assert changed(NO_TRAINING, tiles, {"refine": {}}) == RECONSTRUCTION


@pytest.mark.parametrize(
    "sweep",
    [
        {"refine.modes": [1, 3]},
        {"infer.tile": [256, 512]},
        {"list": [{"infer": {"tile": 256}}, {"infer": {"tile": 512}}]},
        {"list": [{"refine": None}, {"refine.modes": 2}]},
    ],
    ids=str,
)
def test_refinements_that_differ_have_names_of_their_own(sweep):
    tasks = tasks_of(REFINED, {"sweep": sweep})
    refined = [task for task in tasks.values() if task.stage == "refine"]
    assert len({task.key for task in refined}) == len(refined) == (2 if "None" in str(sweep) else 4)


def test_a_packaged_cnn_refines_nothing_and_is_refused():
    cnn = {"default": Package(Path("/site/cnn"), "e" * 64, "cnn", CnnSettings())}
    with pytest.raises(UserError) as caught:
        tasks_of(REFINED, packages=cnn)
    assert str(caught.value) == (
        "refine: a 'cnn', as in /site/cnn, has no steps to refine anything between. "
        "Remove the section, or use an 'unrolled' network"
    )


def test_a_training_gets_the_machines_it_is_to_use():
    change = {"train.devices": 4, "train.nodes": 2, "train.workers": 3, "resources.train.gpus": 4}
    task = tasks_of(TWO_SCANS, change)["train-default"]
    train = TrainParams.train_of(task)
    assert (train.devices, train.nodes, train.workers) == (4, 2, 3)
    assert (task.resources.nodes, task.resources.tasks_per_node) == (2, 4)


# Checks

FILE_ALONE = NO_TRAINING.replace("simulate: {frames: 100, frame_size: 64}\n", "path: a.npz\n", 1)


@pytest.fixture
def checked(files):
    """The tasks of a spec with one scan from a file and one simulated, by what `check` says."""

    def make(mode, more="", **changes):
        return tasks_of(f"{FILE_ALONE}check: {mode}\n{more}", changes, here=(files,))

    return make


def test_a_scan_from_a_file_is_looked_at_first_and_one_that_is_simulated_is_not(checked):
    names = list(checked("warn"))
    assert names.index("check-a") < names.index("prepare-a")
    assert [name for name in names if name.startswith("check")] == ["check-a"]
    assert "check-a" not in checked("off")


def test_a_warning_keeps_nothing_waiting(checked):
    assert not [task for task in checked("warn").values() if "check-a" in task.needs]


def test_what_is_made_of_a_scan_waits_for_a_check_that_may_stop_it_and_other_scans_do_not(checked):
    tasks = checked("stop", "refine: {}\n")
    assert {name for name, task in tasks.items() if "check-a" in task.needs} == {
        "prepare-a",
        "refine-default-a",
        "infer-default-a-0",
        "finalize-default-a",
    }


def test_a_training_waits_for_the_checks_of_all_its_scans_once(checked):
    tasks = checked("stop", "train: {}\n")
    assert tasks["train-default"].needs == ("prepare-a", "prepare-b", "check-a")
    assert tasks["infer-default-b-0"].needs == ("prepare-b", "train-default")


def test_how_a_scan_is_checked_is_in_the_key_of_the_check_alone(checked):
    ways = [keys(checked(mode, "refine: {}\n")) for mode in ("warn", "stop", "off")]
    assert ways[0].pop("check-a") != ways[1].pop("check-a")
    assert ways[0] == ways[1] == ways[2]


def test_variants_share_the_check_of_a_scan_and_scans_that_differ_have_their_own(checked):
    shared = checked("stop", "sweep: {infer.steps: [4, 8]}\n")
    assert [name for name in shared if name.startswith("check")] == ["check-a"]
    tasks = checked("stop", "sweep: {scans.0.swap_xy: [false, true]}\n")
    assert [name for name in tasks if name.startswith("check")] == [
        "check-a-scans.0.swap_xy=false",
        "check-a-scans.0.swap_xy=true",
    ]


# Sweeps


def test_variants_that_differ_in_inference_share_the_training():
    tasks = tasks_of(TWO_SCANS, {"sweep": {"infer.steps": [8, 16]}})
    assert [name for name in tasks if name.startswith(("prepare", "train"))] == [
        "prepare-a",
        "prepare-b",
        "train-default",
    ]
    assert tasks["infer-infer.steps=8-a-0"].key != tasks["infer-infer.steps=16-a-0"].key


def test_a_sweep_over_inference_leaves_a_training_done_before_it_as_it_is():
    plain, swept = tasks_of(TWO_SCANS), tasks_of(TWO_SCANS, {"sweep": {"infer.steps": [4, 8]}})
    assert swept["train-default"] == plain["train-default"].model_copy(
        update={"extras": swept["train-default"].extras}
    )


def test_a_product_trains_once_for_each_training():
    sweep = {"train.lr": [0.001, 0.002], "infer.steps": [8, 16]}
    tasks = tasks_of(TWO_SCANS, {"sweep": sweep})
    trainings = [name for name in tasks if name.startswith("train")]
    assert trainings == ["train-train.lr=0.001", "train-train.lr=0.002"]
    assert sum(name.startswith("finalize") for name in tasks) == 2 * 2 * 2


def test_variants_that_differ_only_in_machines_share_the_training():
    tasks = tasks_of(TWO_SCANS, {"sweep": {"train.workers": [0, 2]}})
    assert sum(task.stage == "train" for task in tasks.values()) == 1


def test_a_swept_scan_is_prepared_for_each_of_its_values_and_the_others_once():
    tasks = tasks_of(NO_TRAINING, {"sweep": {"scans.0.frames": [50, 100]}})
    assert [name for name in tasks if name.startswith("prepare")] == [
        "prepare-a-scans.0.frames=50",
        "prepare-b",
        "prepare-a-scans.0.frames=100",
    ]


def test_scans_of_equal_content_share_one_store():
    tasks = tasks_of(NO_TRAINING, {"scans.1.simulate.seed": 0})
    assert "prepare-b" not in tasks
    assert tasks["infer-default-b-0"].needs == ("prepare-a",)


# What a changed key makes run again

ALL_OF_A = {"prepare-a", "infer-default-a-0", "finalize-default-a"}
AFTER_TRAINING = {
    f"{stage}-default{scan}"
    for stage, scan in (
        ("train", ""),
        ("package", ""),
        ("infer", "-a-0"),
        ("infer", "-b-0"),
        ("finalize", "-a"),
        ("finalize", "-b"),
    )
}
RECONSTRUCTION = {task for task in AFTER_TRAINING if task.startswith(("infer", "finalize"))}

NEUTRAL = (
    "name",
    "scans.0.files.",
    "train.devices",
    "train.nodes",
    "train.workers",
    "train.compile",
    "train.track",
    "train.pictures",
    "infer.tiles_per_task",
    "resources.",
    "retry.",
)
"""Keys that decide no result: of a file its content does; so few tiles are one task's anyway."""

GEOMETRY = {
    "scans.0.energy_ev": 2e4,
    "scans.0.distance_m": 1.0,
    "scans.0.detector_pixel_m": 1e-4,
}
STAGE = {"from_epoch": 3, "ramp": 2, "weights": {}}
BESIDE = {
    **dict.fromkeys(GEOMETRY, GEOMETRY),
    "scans.0.simulate.recorded_modes": {"scans.0.simulate.modes": 3},
    "model.cnn.": {"model.architecture": "cnn"},
    "refine.": {"refine": {"positions": True}},
    "train.schedule.decay": {"train.schedule.kind": "exponential"},
    "train.schedule.factor": {"train.schedule.kind": "plateau"},
    "train.schedule.patience": {"train.schedule.kind": "plateau"},
    "train.schedule.threshold": {"train.schedule.kind": "plateau"},
    "train.stages.": {"train.stages": [STAGE]},
    "train.start_share": {"model.pretrained": "default"},
}
"""What a spec says already where it may hold these keys, or those that begin so."""

VALUES = {
    "name": "other",
    "scans.0.simulate.columns": 10,
    "scans.0.simulate.step": 4.0,  # of nearly the same canvas: one tile as before
    "scans.0.simulate.recorded_modes": 2,
    "scans.0.format": "cxi",
    "scans.0.position_columns": ["y", "x"],
    "scans.0.select": "10:",
    "scans.0.crop": 32,
    "scans.0.centre": [30, 30],
    "scans.0.frames": 50,
    "scans.0.energy_ev": 1e4,
    "scans.0.distance_m": 2.0,
    "scans.0.detector_pixel_m": 2e-4,
    "refine.modes": 2,
    "refine.positions": False,
    "train.regions_per_epoch": "cover",
    "train.rates": {"encoder": 0.5},
    "train.stages.0.from_epoch": 4,
    "train.stages.0.loss": "poisson",
    "train.stages.0.rates": {"encoder": 0.5},
    "train.unroll": [2, 6],
    "train.track": ["mlflow"],
    "infer.tile": 320,  # none that is chosen
    "infer.halo": 64,
    "export": ["npz"],
    "resources.train.gpus": 1,
}
OF_OTHER_SPECS = (
    "version",
    "scans.0.name",
    "scans.0.path",
    "model.pretrained",
    "model.arch",
    "model.cnn.n",
)
OF_FILES = tuple(f"scans.0.{key}" for key in Scan.model_fields if key not in SIMULATED_KEYS)

KEYS = [key for key in known_keys() if not key.startswith(OF_OTHER_SPECS)]


def another_value(key):
    """A valid value that is not the default."""
    if key in VALUES:
        return VALUES[key]
    if key.startswith("scans.0.files."):
        return "other.h5"
    if key.startswith("scans.0.datasets."):
        return "/entry/data"
    node = node_at(tuple(int(part) if part.isdigit() else part for part in key.split(".")))
    default = node["default"]
    if "enum" in node:
        return next(value for value in node["enum"] if value != default)
    if "pattern" in node:
        return "02:30:00"
    if isinstance(default, bool):
        return not default
    step = node.get("multipleOf", 1 if node["type"] == "integer" else default / 2 or 0.5)
    return default + step if default + step <= node.get("maximum", np.inf) else default - step


def expected_to_change(key):
    if key.startswith(NEUTRAL):
        return set()
    if key == "check":
        return set()  # of scans that are simulated
    if key.startswith("scans.0"):
        checked = {"check-a"} if key.startswith(OF_FILES) else set()
        return {"prepare-a"} | checked | AFTER_TRAINING
    if key.startswith(("train.", "model.", "seed")):
        return AFTER_TRAINING
    if key.startswith("refine."):
        return {"refine-default-a", "refine-default-b"} | RECONSTRUCTION
    return (
        RECONSTRUCTION if key.startswith("infer.") else {"finalize-default-a", "finalize-default-b"}
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The folder of the files that a spec names."""
    folder = tmp_path_factory.mktemp("specs")
    for name in ("a.npz", "other.h5"):
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("key", KEYS)
def test_a_task_is_another_one_exactly_when_a_key_that_decides_its_result_changes(key, files):
    text = ONE_FILE if key.startswith(OF_FILES) else TWO_SCANS
    beside = next((more for start, more in BESIDE.items() if key.startswith(start)), {})
    change = {key: another_value(key)}
    assert changed(text, change, beside, here=(files,)) == expected_to_change(key)


numbers = {
    "scans.0.simulate.seed": st.integers(3, 100),
    "scans.0.simulate.photons": st.floats(1, 1e9),
    "scans.0.frames": st.integers(2, 100),
    "infer.steps": st.integers(1, 1000),
    "infer.tile": st.integers(2, 8).map(lambda k: 64 * (2 * k + 1)),  # none that is chosen
    "infer.precision": st.sampled_from(["32", "bf16"]),
    "train.workers": st.integers(0, 8),
    "resources.infer.mem_gb": st.floats(1, 100),
    "export": st.permutations(["npz", "ptychodus", "png"]),
}


def changes_of(prefix):
    chosen = {key: values for key, values in numbers.items() if key.startswith(prefix)}
    return st.fixed_dictionaries({}, optional=chosen)


@given(changes_of(("infer", "export", "resources")))
@settings(max_examples=25, deadline=None)
def test_changing_the_inference_repeats_no_preparation_and_no_training(changes):
    repeated = changed(TWO_SCANS, changes)
    assert all(name.startswith(("infer", "finalize")) for name in repeated)


@given(changes_of("scans.0"))
@settings(max_examples=25, deadline=None)
def test_changing_one_scan_leaves_the_others_alone(changes):
    assert changed(NO_TRAINING, changes) <= ALL_OF_A


@given(changes_of(("train.workers", "resources", "export")))
@settings(max_examples=25, deadline=None)
def test_where_and_in_which_order_work_is_done_decides_nothing(changes):
    assert changed(TWO_SCANS, changes) == set()


# What is left behind, and what losing it makes run again


FINAL = ("object.zarr", "product.h5", "diffraction.h5", "provenance.json", "metrics.json")


def test_every_task_says_what_it_leaves_behind():
    tasks = tasks_of(TWO_SCANS, {"export": ["ptychodus"]})
    result, trained = "two/results/default/a", f"two/training/{tasks['train-default'].key}"
    assert {name: task.outputs for name, task in tasks.items() if not name.endswith("b-0")} == {
        "prepare-a": (f".stores/{tasks['prepare-a'].key}",),
        "prepare-b": (f".stores/{tasks['prepare-b'].key}",),
        "train-default": (f"{trained}/package/model.pth", f"{trained}/package/manifest.json"),
        "package-default": ("two/models/default/model.pth", "two/models/default/manifest.json"),
        "infer-default-a-0": (f"{result}/object.zarr", f"{result}/object.tiles/000000.json"),
        "finalize-default-a": tuple(f"{result}/{name}" for name in FINAL),
        "finalize-default-b": tuple(f"two/results/default/b/{name}" for name in FINAL),
    }


def test_blocks_of_tiles_share_an_array_and_have_their_own_last_record():
    tasks = tasks_of(TWO_SCANS, {"infer.tile": 64, "infer.tiles_per_task": 3})
    result = "two/results/default/a"
    assert [tasks[f"infer-default-a-{number}"].outputs for number in (0, 1)] == [
        (f"{result}/object.zarr", f"{result}/object.tiles/000002.json"),
        (f"{result}/object.zarr", f"{result}/object.tiles/000003.json"),
    ]


def test_runs_elsewhere_leave_the_same_behind():
    assert tasks_of(TWO_SCANS, run=RunPaths(Path("/scratch/mine"), "two")) == tasks_of(TWO_SCANS)


@pytest.fixture
def finished(tmp_path):
    """A run of which everything is done, and its tasks."""
    run = RunPaths(tmp_path, "two")
    tasks = tasks_of(TWO_SCANS, {"infer.tile": 64, "infer.tiles_per_task": 3}, run=run)
    run.create()
    for task in tasks.values():
        append(run.ledger(task.id), Started(attempt=1, key=task.key, process=Process.current()))
        append(run.ledger(task.id), Ended(attempt=1, outcome="done"))
        for output in task.outputs:
            (run.root / output).mkdir(parents=True, exist_ok=True)
    return run, tuple(tasks.values())


def run_again(finished):
    """Names of the tasks that would be run."""
    run, tasks = finished
    return {task.id for task in plan_run(run, tasks).of("run")}


BLOCKS_OF_A = {"infer-default-a-0", "infer-default-a-1"}


def test_nothing_is_run_again_while_everything_is_there(finished):
    assert run_again(finished) == set()


def test_an_object_array_that_is_deleted_is_made_again(finished):
    shutil.rmtree(finished[0].result("default", "a") / "object.zarr")
    assert run_again(finished) == {*BLOCKS_OF_A, "finalize-default-a"}


def test_a_result_that_is_deleted_is_made_again_from_what_is_there(finished):
    shutil.rmtree(finished[0].result("default", "a"))
    assert run_again(finished) == {*BLOCKS_OF_A, "finalize-default-a"}


def test_a_deleted_export_is_written_again_from_the_array(finished):
    shutil.rmtree(finished[0].result("default", "a") / "product.h5")
    assert run_again(finished) == {"finalize-default-a"}


def test_stores_may_be_deleted_when_all_is_done(finished):
    shutil.rmtree(finished[0].stores)
    assert run_again(finished) == set()


def test_a_deleted_store_is_made_again_for_a_result_that_needs_it(finished):
    shutil.rmtree(finished[0].stores)
    shutil.rmtree(finished[0].result("default", "a") / "metrics.json")
    assert run_again(finished) == {"prepare-a", "finalize-default-a"}


def test_a_deleted_model_is_copied_again_from_its_training(finished):
    shutil.rmtree(finished[0].model("default"))
    assert run_again(finished) == {"package-default"}


def test_a_deleted_training_is_repeated_only_for_those_that_need_it(finished):
    run, _ = finished
    shutil.rmtree(run.folder / "training")
    shutil.rmtree(run.stores)
    assert run_again(finished) == set()
    shutil.rmtree(run.model("default"))
    assert run_again(finished) == {"prepare-a", "prepare-b", "train-default", "package-default"}


# Files


def file_tasks(path, name="a", **facts):
    document = document_of(NO_TRAINING)
    spec = document.checked()
    scan = spec.scans[0].model_copy(update={"path": path, "simulate": None, "name": name})
    spec = spec.model_copy(update={"scans": (scan,)})
    known = Facts({scan: file_facts(**facts)}, SHIPPED)
    variants = expand(LoadedSpec(spec, Path("spec.yaml"), "", document))
    return [task.key for task in build_tasks(variants, known, RUN)]


def test_a_file_is_known_by_its_content_wherever_it_lies_and_whatever_it_is_called():
    assert file_tasks("/data/a.npz") == file_tasks("/archive/a.npz", name="other")


@pytest.mark.parametrize("other", [{"sha256": "b" * 64}, {"reader": "cxi"}], ids=str)
def test_other_content_or_another_reader_makes_another_scan(other):
    pairs = zip(file_tasks("/data/a.npz"), file_tasks("/data/a.npz", **other), strict=True)
    assert [before == after for before, after in pairs] == [True, *[False] * 4]


# Scans that do not fit


def refused(text, changes):
    with pytest.raises(UserError) as caught:
        tasks_of(text, changes)
    return str(caught.value)


def test_a_canvas_beyond_the_memory_is_refused_with_its_size_and_the_likely_reason():
    message = refused(NO_TRAINING, {"scans.0.simulate.step": 500, "scans.0.simulate.frames": 10**7})
    assert message == (
        "scan a: its positions span a canvas of 1,581,565 x 1,581,565 pixels: the object would "
        "take 40,021.6 GB, but resources.finalize.mem_gb is 8. Check that positions are in "
        "pixels, not in nanometres or metres; or raise the limit"
    )


def test_the_room_for_frames_that_are_moved_counts_too():
    limit = {"resources.finalize.mem_gb": 16 * 200**2 / 1e9}  # a canvas of 200 x 200 pixels
    wide = {"refine": {"positions": True, "position_error": 100.0}}
    tasks_of(NO_TRAINING, limit)
    assert "its positions span a canvas" in refused(NO_TRAINING, {**limit, **wide})


def test_a_group_larger_than_the_scan_is_refused():
    cnn = {"model": {"pretrained": "none", "architecture": "cnn", "cnn": {"gridsize": 3}}}
    message = refused(TWO_SCANS, {**cnn, "scans.0.simulate.frames": 8})
    assert message == (
        "scan a: a group of 9 frames is larger than the scan (8 frames). "
        "Write a smaller model.cnn.gridsize"
    )


def test_a_patchwise_network_of_another_frame_size_is_refused():
    cnn = {"model": {"pretrained": "none", "architecture": "cnn", "cnn": {"n": 64}}}
    document = document_of(TWO_SCANS, cnn)
    variants = expand(LoadedSpec(document.checked(), Path("spec.yaml"), "", document))
    canvas = Canvas(x0=0, y0=0, height=200, width=200)
    facts = {scan: ScanFacts(100, 128, canvas, None) for scan in variants[0].spec.scans}
    with pytest.raises(UserError, match=r"frames are 128 x 128 pixels, but model\.cnn\.n is 64"):
        build_tasks(variants, Facts(facts), RUN)


def test_another_image_makes_every_task_another_one():
    plain, one, other = (keys(tasks_of(TWO_SCANS, image=i)) for i in (None, "a" * 64, "b" * 64))
    assert plain.keys() == one.keys() == other.keys()
    assert all(len({plain[name], one[name], other[name]}) == 3 for name in plain)
