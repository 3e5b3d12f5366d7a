"""`package`: what users see of packages, and the exit codes that scripts go by."""

import json

import pytest
import torch

from ptychopinn_batch.client.model import copy_model
from ptychopinn_batch.jobspec import CnnSettings, UnrolledSettings
from ptychopinn_batch.networks.cnn import Cnn
from ptychopinn_batch.networks.unrolled import Unrolled
from ptychopinn_batch.package import Registry, Training, load_package, read_manifest, save_package


@pytest.fixture
def packages(here):
    """Two packages `a` and `b` of one kind, and `cnn`; `a` is in the registry."""
    for seed, name in enumerate("ab"):
        torch.manual_seed(seed)
        save(here / name, Unrolled(UnrolledSettings(width=4, hidden=2, depth=2)))
    swish = {"amplitude_activation": "swish", "border_activation": "swish"}
    save(here / "cnn", Cnn(CnnSettings(filters_scale=1, input="amplitude", **swish)))
    Registry(here / "runs" / ".models").add(here / "a")
    return here


def save(folder, network):
    training = Training(train={"epochs": 3}, start=None, data=("abc",))
    metrics = {"validation": 0.0123}
    save_package(folder, network, name=folder.name, seed=0, training=training, metrics=metrics)


def test_show_tells_where_a_network_comes_from(packages, call):
    code, out, _ = call("package", "show", "a")
    assert code == 0
    for word in ("unrolled", "width: 4", "epochs: 3", "validation = 0.0123", "abc", "model.pth"):
        assert word in out
    assert read_manifest(packages / "a").identity in out


def test_show_for_programs_is_the_manifest(packages, call):
    code, out, _ = call("package", "show", "default", "--json")
    assert code == 0
    assert json.loads(out)["name"] == "default"
    assert len(json.loads(out)["identity"]) == 64


def test_packages_are_found_by_address(packages, call):
    digest = read_manifest(packages / "a").digest
    code, out, _ = call("package", "show", f"sha256:{digest[:8]}")
    assert code == 0
    assert f".models/{digest}" in out


def test_a_spec_may_name_an_address(packages, call):
    address = f"sha256:{read_manifest(packages / 'a').digest[:10]}"
    spec = packages / "spec.yaml"
    text = "version: 1\nname: r\nscans: [{name: s, simulate: {frames: 64}}]\n"
    spec.write_text(text + f"model: {{pretrained: '{address}'}}\n")
    code, out, _ = call("plan", spec, "--json")
    assert code == 0
    assert "infer-default-s-0" in out
    spec.write_text(text + "model: {pretrained: 'sha256:ffffffffff'}\n")
    code, _, err = call("plan", spec)
    assert code == 2
    assert "model.pretrained: no packages in" in err
    assert "begin with 'ffffffffff'" in err


def test_list_shows_what_all_runs_share(packages, call):
    code, out, _ = call("package", "list")
    assert code == 0
    assert out.startswith(f"sha256:{read_manifest(packages / 'a').digest[:12]}  ")
    assert "validation 0.0123" in out


def test_verify_says_that_packages_are_whole(packages, call):
    code, out, _ = call("package", "verify", "a", "b", "default")
    assert code == 0
    assert out.count(": whole, 1 files, identity ") == 3


def test_verify_names_damage(packages, call):
    path = packages / "b" / "model.pth"
    path.write_bytes(path.read_bytes()[:-1])
    code, out, err = call("package", "verify", "a", "b")
    assert code == 2
    assert "model.pth: its bytes are not those the manifest describes" in err
    assert out.startswith("a: whole")


def test_verify_goes_on_behind_damage_and_names_all_of_it(packages, call):
    for name in ("a", "b"):
        path = packages / name / "model.pth"
        path.write_bytes(path.read_bytes()[:-1])
    code, out, err = call("package", "verify", "a", "default", "b", "nowhere")
    assert code == 2
    assert out.startswith("default: whole")
    assert err.startswith("Error: 3 of 4 packages are not whole:\n")
    assert [word in err for word in ("a/model.pth", "b/model.pth", "nowhere")] == [True] * 3


def test_diff_ends_as_diff_does(packages, call):
    assert call("package", "diff", "a", "a")[:2] == (0, "The same network.\n")
    code, out, _ = call("package", "diff", "a", "b")
    assert code == 1
    assert out.startswith("Different networks.\n")
    assert "differs by up to" in out
    assert json.loads(call("package", "diff", "a", "b", "--json")[1])["same"] is False


def test_where_there_is_no_package_the_message_says_so(packages, call):
    code, _, err = call("package", "show", "nowhere")
    assert code == 2
    assert "there is no model package" in err


def test_export_and_import_lead_back_to_the_same_weights(packages, call):
    assert call("package", "export", "cnn", "wts.h5.zip", "--format", "bundle")[0] == 0
    code, _, err = call("package", "import", "wts.h5.zip", "back")
    assert code == 2
    assert "--trust" in err
    assert call("package", "import", "wts.h5.zip", "back", "--trust")[0] == 0
    first, second = (load_package(packages / name).network.state_dict() for name in ("cnn", "back"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_pair_of_files_as_ptychodus_keeps_them_becomes_a_package(packages, call):
    mine = packages / "among others" / "mine.pth"
    copy_model(packages / "a" / "model.pth", mine)
    mine.with_name("one.h5").write_bytes(b"frames")
    assert call("package", "import", mine, "theirs")[0] == 0
    assert read_manifest(packages / "theirs").digest == read_manifest(packages / "a").digest
    mine.with_name("mine.manifest.json").unlink()
    code, _, err = call("package", "import", mine, "again")
    assert code == 2
    assert "has no manifest" in err
    assert not (packages / "again").exists()


def test_a_package_takes_the_place_of_nothing_but_a_package(packages, call):
    (packages / "thesis").mkdir()
    (packages / "thesis" / "chapter.txt").write_text("years")
    copy_model(packages / "a" / "model.pth", packages / "mine.pth")
    code, _, err = call("package", "import", "mine.pth", "thesis", "--force")
    assert code == 2
    assert "Name a new folder" in err
    assert (packages / "thesis" / "chapter.txt").read_text() == "years"
    assert call("package", "import", "mine.pth", "b", "--force")[0] == 0


def test_a_pair_that_was_changed_becomes_none(packages, call):
    mine = packages / "mine.pth"
    copy_model(packages / "a" / "model.pth", mine)
    mine.write_bytes(mine.read_bytes()[:-1])
    code, _, err = call("package", "import", mine, "theirs")
    assert code == 2
    assert "its bytes are not those the manifest describes" in err
    assert not (packages / "theirs").exists()


def test_nothing_is_replaced_unasked(packages, call):
    (packages / "x.safetensors").write_text("mine")
    export = ("package", "export", "a", "x.safetensors", "--format", "safetensors")
    code, _, err = call(*export)
    assert code == 2
    assert "--force" in err
    assert call(*export, "--force")[0] == 0
    assert (packages / "x.safetensors").stat().st_size > 1000


def test_a_bundle_of_a_network_that_ptychopinn_does_not_know_is_refused(packages, call):
    code, _, err = call("package", "export", "a", "wts.h5.zip", "--format", "bundle")
    assert code == 2
    assert "knows no network 'unrolled'" in err
    assert not (packages / "wts.h5.zip").exists()


def test_the_help_of_every_part_ends_with_an_example(call):
    for part in ("show", "verify", "diff", "list", "export", "import"):
        code, out, _ = call("package", part, "--help")
        assert code == 0
        assert f"Example: ptychopinn-batch package {part}" in " ".join(out.split())
