"""The job specs to copy, and the one that `init` writes, load and mean what they say."""

import re
from pathlib import Path

import pytest

from ptychopinn_batch.speclang.file import load_spec
from ptychopinn_batch.speclang.schema import known_keys
from ptychopinn_batch.speclang.template import init_spec_text
from ptychopinn_batch.speclang.variants import expand
from ptychopinn_batch.speclang.yamltree import parse_yaml

JOBSPECS = Path(__file__).parents[2] / "jobspecs"


def load(name, *sets, profile=None):
    return load_spec(JOBSPECS / f"{name}.yaml", sets, profile)


@pytest.mark.parametrize("path", sorted(JOBSPECS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_spec_is_named_after_its_file_and_loads_from_any_folder(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = load_spec(path)
    assert loaded.spec.name == path.stem
    for profile in [None, *loaded.spec.profiles]:
        assert expand(load_spec(path, profile=profile))


def test_quickstart_adapts_the_shipped_network_to_the_measured_star():
    spec = load("quickstart").spec
    (scan,) = spec.scans
    assert Path(scan.path).name == "siemens_star_128.npz"
    assert (spec.model.pretrained, spec.infer.steps) == ("default", 16)
    assert spec.train.simulated == 0
    assert set(spec.export) == {"npz", "ptychodus", "png"}


def test_fly64_has_its_frames_and_two_variants_that_share_their_training():
    first, second = expand(load("fly64"))
    simulation = first.spec.scans[0].simulate
    assert (simulation.frames, simulation.frame_size) == (10_304, 64)
    assert simulation.frames == simulation.columns * 92
    assert [variant.spec.infer.steps for variant in (first, second)] == [8, 16]
    assert first.spec.train == second.spec.train


@pytest.mark.parametrize("given", ["scans.0.path={}", "scans.0={{path: {}, name: fly64}}"])
def test_fly64_takes_the_real_file_in_place_of_the_simulation(given, tmp_path):
    file = tmp_path / "fly64.npz"
    file.touch()
    for profile in (None, "local"):
        (scan,) = load("fly64", given.format(file), profile=profile).spec.scans
        assert (scan.path, scan.simulate, scan.name) == (str(file), None, "fly64")


def test_fly64_is_small_and_needs_no_gpu_on_a_laptop():
    spec = load("fly64", profile="local").spec
    assert spec.scans[0].frames < 4000
    assert spec.train.epochs * spec.train.regions_per_epoch <= 64
    assert (spec.resources.train.gpus, spec.resources.infer.gpus) == (0, 0)


def test_many_scans_are_measured_and_simulated_and_trained_on_none():
    spec = load("many_scans").spec
    assert spec.train is None
    assert sum(scan.path is not None for scan in spec.scans) == 1
    assert sum(scan.simulate is not None for scan in spec.scans) == 2


def test_pretrain_needs_the_simulator_alone():
    spec = load("pretrain").spec
    assert (spec.scans, spec.train.simulated) == ((), 1)
    assert (spec.model.pretrained, spec.model.architecture) == ("none", "unrolled")
    steps = spec.train.epochs * spec.train.regions_per_epoch // spec.train.accumulate
    assert steps >= 1000


# What `init` writes


@pytest.fixture
def written(tmp_path):
    """Writes a text as spec.yaml, beside a scan a.npz, and loads it."""
    (tmp_path / "a.npz").touch()

    def write(text):
        path = tmp_path / "spec.yaml"
        path.write_text(text)
        return load_spec(path).spec

    return write


def uncommented(text):
    """The text with every commented key put in force."""
    return re.sub(r"^( *)# ?( *[\w.]+:(?: .*)?)$", r"\1\2", text, flags=re.M)


def test_init_writes_a_spec_for_a_file(written):
    spec = written(init_spec_text("first", "a.npz"))
    assert (spec.name, spec.scans[0].name) == ("first", "a")


def test_init_writes_a_spec_that_runs_without_data(written):
    assert written(init_spec_text("first")).scans[0].simulate.object == "star"


@pytest.mark.parametrize(
    ("name", "safe"),
    [("my run", "my_run"), ("1084", "1084"), ("../x", "x"), ("null", "null"), ("", "run")],
)
def test_init_makes_any_name_a_name_of_a_run(name, safe, written):
    assert written(init_spec_text(name)).name == safe


@pytest.mark.parametrize(
    "path", ["b # c.npz", "b: c.npz", "'q'.npz", f"{'long' * 30}.npz", "*.npz"]
)
def test_init_quotes_a_path_where_yaml_needs_it(path, written, tmp_path):
    (tmp_path / path).touch()
    text = init_spec_text("a", path)
    assert parse_yaml(text, "").data["scans"] == [{"path": path}]
    assert written(text)


@pytest.mark.parametrize("scan", ["a.npz", None])
def test_every_commented_key_of_init_is_valid(scan, written):
    text = uncommented(init_spec_text("first", scan))
    spec = written(text)
    assert spec.train is not None
    assert spec.profiles
    assert len(spec.sweep.product["infer.steps"]) == 3
    assert "# train" not in text


@pytest.mark.parametrize("scan", ["a.npz", None])
def test_commented_keys_of_init_show_their_defaults(scan):
    data = parse_yaml(uncommented(init_spec_text("first", scan)), "").data
    defaults = {key: node.get("default") for key, node in known_keys().items()}
    for section in ("train", "resources", "infer"):
        for key, value in _leaves(data[section], section):
            assert value == defaults[key], key
    for key, value in _leaves(data["scans"][0].get("simulate", {}), "scans.0.simulate"):
        assert value == defaults[key] or key == "scans.0.simulate.object", key


def _leaves(value, key):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{key}.{name}")
    else:
        yield key, value
