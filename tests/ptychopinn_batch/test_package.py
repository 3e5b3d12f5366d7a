"""Model packages: whole or absent, checked to the byte, and strict when loaded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hpc.errors import StateError, UserError
from ptychopinn_batch.jobspec import Train, UnrolledSettings
from ptychopinn_batch.networks.unrolled import Unrolled
from ptychopinn_batch.package import (
    MANIFEST,
    WEIGHTS,
    Training,
    copy_package,
    load_model,
    load_package,
    load_weights,
    package_identity,
    read_manifest,
    resolve_pretrained,
    save_package,
)

RENEW = "Get the package again, or submit the run that made it again"
SMALL = UnrolledSettings(width=4, hidden=2, depth=2)


def network(seed=0):
    torch.manual_seed(seed)
    return Unrolled(SMALL)


def saved(folder, seed=0, **changes):
    about = {
        "name": "star",
        "seed": seed,
        "training": Training(
            train=Train(epochs=3).model_dump(mode="json"), start=None, data=("store",)
        ),
        "metrics": {"validation": 0.0123},
    }
    save_package(folder, network(seed), **{**about, **changes})
    return folder


def rewritten(folder, **changes):
    """The manifest with some fields changed, and its digest made to fit."""
    path = folder / MANIFEST
    manifest = read_manifest(folder).model_copy(update=changes).sealed()
    path.write_text(manifest.model_dump_json())
    return folder


def test_a_loaded_network_is_the_saved_one_in_evaluation_mode(tmp_path):
    loaded = load_package(saved(tmp_path / "p"))
    for name, value in network().state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], value), name
    assert loaded.network.settings == SMALL
    assert not loaded.network.training


def test_a_manifest_tells_where_the_network_comes_from(tmp_path):
    manifest = load_model(saved(tmp_path / "p", seed=5)).manifest
    assert (manifest.architecture, manifest.seed) == ("unrolled", 5)
    assert manifest.training.data == ("store",)
    assert manifest.training.train == Train(epochs=3).model_dump(mode="json")
    assert manifest.metrics == {"validation": 0.0123}
    assert manifest.provenance.versions["torch"] == torch.__version__
    assert manifest.provenance.created


def test_weights_are_tensors_alone(tmp_path):
    weights = torch.load(saved(tmp_path / "p") / WEIGHTS, weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in weights.values())


@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
@pytest.mark.parametrize("where", [0.3, 0.7])
def test_any_changed_byte_is_found(tmp_path, name, where):
    folder = saved(tmp_path / "p")
    content = bytearray((folder / name).read_bytes())
    content[int(where * len(content))] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(StateError, match=str(folder)):
        load_package(folder)


def test_a_manifest_changed_by_hand_is_refused(tmp_path):
    path = saved(tmp_path / "p") / MANIFEST
    path.write_text(path.read_text().replace("0.0123", "0.0023"))
    with pytest.raises(StateError, match="changed by hand"):
        load_package(tmp_path / "p")


@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
def test_a_missing_file_is_named(tmp_path, name):
    folder = saved(tmp_path / "p")
    (folder / name).unlink()
    with pytest.raises(StateError, match=f"{name}: this file is missing"):
        load_package(folder)


def test_a_strange_file_is_named(tmp_path, refusal_of):
    folder = saved(tmp_path / "p")
    (folder / "notes.pkl").write_bytes(b"")
    assert refusal_of(load_package, folder) == (
        "notes.pkl does not belong to this package",
        str(folder),
        "Give the package a folder of its own",
    )


def test_a_manifest_of_a_later_version_is_named_as_that(tmp_path):
    path = saved(tmp_path / "p") / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 9, "new": 1}))
    with pytest.raises(StateError, match="schema version 9, this program knows 1"):
        load_package(tmp_path / "p")


def test_an_unknown_architecture_is_named(tmp_path):
    folder = rewritten(saved(tmp_path / "p"), architecture="fno")
    with pytest.raises(StateError, match="unknown architecture 'fno', expected unrolled or cnn"):
        load_package(folder)


def test_settings_that_do_not_fit_the_weights_are_refused(tmp_path):
    settings = {"width": 8, "hidden": 2, "depth": 2}
    folder = rewritten(saved(tmp_path / "p"), settings=settings)
    with pytest.raises(
        StateError,
        match=r"model\.pth: these weights do not fit the network: the "
        r"file has .* as .*, expected .*, and \d+ faults more\. Get the package",
    ):
        load_package(folder)


def test_a_network_of_no_numbers_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    broken = {key: value * float("nan") for key, value in network().state_dict().items()}
    torch.save(broken, path)
    with pytest.raises(StateError, match="numbers that are NaN or infinite"):
        load_weights(network(), path)


def test_weights_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "weights.pth"
    sparse = {key: value.to_sparse() for key, value in network().state_dict().items()}
    torch.save(sparse, path)
    with pytest.raises(StateError, match=r"float32 \(sparse_coo\), expected"):
        load_weights(network(), path)


@pytest.mark.parametrize("settings", [{"width": 1}, {"colour": 3}])
def test_settings_that_no_network_has_are_refused(tmp_path, refusal_of, settings):
    folder = rewritten(saved(tmp_path / "p"), settings=settings)
    what, *rest = refusal_of(load_package, folder)
    assert what.startswith(f"settings of the network are not valid ({next(iter(settings))}: ")
    assert rest == [str(folder / MANIFEST), RENEW]


def test_a_package_that_was_replaced_since_the_plan_is_refused(tmp_path, refusal_of):
    folder = saved(tmp_path / "p")
    assert refusal_of(load_package, folder, identity="0" * 64) == (
        "this package is not the one the run was planned with",
        str(folder),
        "Submit the run again",
    )


@pytest.mark.parametrize("fault", ["missing", "unexpected"])
def test_weights_must_fit_one_to_one(tmp_path, fault):
    weights = network().state_dict()
    first = next(iter(weights))
    if fault == "missing":
        del weights[first]
    else:
        weights["more.weight"] = torch.zeros(1)
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(
        StateError, match="lacks" if fault == "missing" else r"unknown more\.weight"
    ):
        load_weights(network(), tmp_path / "w.pth")


@pytest.mark.parametrize("content", [torch.zeros(3), {"epoch": 3}, {1: torch.zeros(3)}])
def test_weights_are_tensors_by_name(tmp_path, refusal_of, content):
    torch.save(content, tmp_path / "w.pth")
    assert refusal_of(load_weights, network(), tmp_path / "w.pth") == (
        "this file is no state dict",
        str(tmp_path / "w.pth"),
        RENEW,
    )


def test_weights_that_are_pickled_code_are_not_run(tmp_path, refusal_of):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "was run",)

    torch.save({"weight": Evil()}, tmp_path / "w.pth")
    assert refusal_of(load_weights, network(), tmp_path / "w.pth") == (
        "this file holds no plain tensors",
        str(tmp_path / "w.pth"),
        RENEW,
    )
    assert not (tmp_path / "was run").exists()


def test_a_package_takes_the_place_of_an_older_one(tmp_path):
    before = package_identity(saved(tmp_path / "p", seed=0))
    after = package_identity(saved(tmp_path / "p", seed=1))
    assert before != after
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


def test_nothing_is_published_when_saving_fails(tmp_path):
    saved(tmp_path / "p")
    before = package_identity(tmp_path / "p")
    with pytest.raises(ValueError, match="name"):
        saved(tmp_path / "p", seed=1, name=None)
    assert package_identity(tmp_path / "p") == before
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


def test_identity_is_what_decides_results_and_nothing_else(tmp_path):
    first, same = saved(tmp_path / "a"), saved(tmp_path / "b", name="other name")
    assert package_identity(first) == package_identity(same)
    assert package_identity(first) != package_identity(saved(tmp_path / "c", seed=1))


def test_a_copy_is_the_same_to_the_byte(tmp_path):
    copy_package(saved(tmp_path / "a"), tmp_path / "b")
    for name in (WEIGHTS, MANIFEST):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert load_package(tmp_path / "b").manifest == read_manifest(tmp_path / "a")


def test_a_package_is_found_beside_the_spec(tmp_path):
    saved(tmp_path / "models" / "star")
    assert resolve_pretrained("models/star", tmp_path) == tmp_path / "models" / "star"


def test_where_there_is_no_package_the_message_says_what_one_is(tmp_path, refusal_of):
    assert refusal_of(resolve_pretrained, "nowhere", tmp_path) == (
        f"there is no model package at {tmp_path}/nowhere",
        "model.pretrained",
        "Name a folder that holds manifest.json and model.pth, "
        "or one of default, small, large, none",
    )


@pytest.mark.parametrize("name", ["wts.h5.zip", "last.ckpt"])
def test_a_file_of_ptychopinn_is_named_as_that(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=rf"package import {name} FOLDER --trust"):
        resolve_pretrained(name, tmp_path)


def test_identity_is_found_without_torch(tmp_path):
    script = (
        "import sys; from pathlib import Path; from ptychopinn_batch.package import"
        " package_identity; print(package_identity(Path(sys.argv[1])), 'torch' in sys.modules)"
    )
    folder = saved(tmp_path / "p")
    command = [sys.executable, "-c", script, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [package_identity(folder), "False"]
