"""Networks of PtychoPINN: read only on trust, never run, and matched one to one."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from hpc.errors import UserError
from ptychopinn_batch.jobspec import CnnSettings
from ptychopinn_batch.legacy.bundle import write_bundle
from ptychopinn_batch.legacy.foreign import read_foreign
from ptychopinn_batch.legacy.metadata import metadata
from ptychopinn_batch.legacy.weights import to_upstream
from ptychopinn_batch.networks.cnn import Cnn

SWISH = {
    "amplitude_activation": "swish",
    "border_activation": "swish",
    "input": "amplitude",  # never less that of an empty sample
}
SETTINGS = CnnSettings(filters_scale=1, lineage="head", **SWISH)
AUTUMN = CnnSettings(filters_scale=1, lineage="torch", **SWISH)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Cnn(SETTINGS).eval()


@pytest.fixture(scope="module")
def old_network():
    torch.manual_seed(0)
    return Cnn(AUTUMN).eval()


def same(found, network):
    assert found.settings == network.settings
    assert not found.training
    assert all(torch.equal(found.state_dict()[k], v) for k, v in network.state_dict().items())


def bundle(folder, network):
    write_bundle(folder / "wts.h5.zip", network.settings, network.state_dict(), photons=None)
    return folder / "wts.h5.zip"


def checkpoint(folder, network, weights=None, data=None, model=None, **more):
    """As Lightning writes them, with the configuration as PtychoPINN keeps it."""
    sections = metadata(network.settings, None)
    hyper = {
        "model_config": {**sections["model_config"], **(model or {})},
        "data_config": {**sections["data_config"], **(data or {})},
        "training_config": sections["training_config"],
        "inference_config": sections["inference_config"],
    }
    named = to_upstream(network.state_dict(), network.settings)
    content = {
        "epoch": 3,
        "state_dict": {**named, **(weights or {})},
        "hyper_parameters": hyper,
        **more,
    }
    torch.save(content, folder / "best.ckpt")
    return folder / "best.ckpt"


def changed(path, name, data):
    """A bundle with another content of a member; None: without it."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members[name] = data
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            if content is not None:
                archive.writestr(member, content)
    return path


def test_a_bundle_becomes_the_network_it_holds(tmp_path, network):
    same(read_foreign(bundle(tmp_path, network), trust=True), network)


def test_a_bundle_without_metadata_is_told_by_its_weights(tmp_path, old_network):
    same(read_foreign(bundle(tmp_path, old_network), trust=True), old_network)


def test_a_checkpoint_becomes_the_network_it_holds(tmp_path, network):
    same(read_foreign(checkpoint(tmp_path, network), trust=True), network)


@pytest.mark.parametrize("make", [bundle, checkpoint])
def test_nothing_is_read_without_trust(tmp_path, network, make):
    with pytest.raises(UserError, match=r"pickled, and nothing vouches.*--trust"):
        read_foreign(make(tmp_path, network), trust=False)


class Evil:
    """What an attacker would pickle."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


class Strange:
    """An object of somebody's class, such as a configuration."""

    def __init__(self):
        self.value = 3


@pytest.mark.parametrize("member", ["manifest.dill", "diffraction_to_obj/params.dill"])
def test_code_in_a_bundle_is_not_run(tmp_path, network, member):
    path, mark = bundle(tmp_path, network), tmp_path / "was run"
    content = pickle.loads(zipfile.ZipFile(path).read(member))
    changed(path, member, pickle.dumps({**content, "more": Evil(mark)}))
    read_foreign(path, trust=True)
    assert not mark.exists()


def test_code_in_weights_is_not_run(tmp_path, network):
    buffer, mark = io.BytesIO(), tmp_path / "was run"
    torch.save({"model.autoencoder.x": Evil(mark)}, buffer)
    path = changed(bundle(tmp_path, network), "diffraction_to_obj/model.pth", buffer.getvalue())
    with pytest.raises(UserError, match="holds no weights"):
        read_foreign(path, trust=True)
    assert not mark.exists()


def test_code_in_a_checkpoint_is_not_run_and_strange_objects_do_no_harm(tmp_path, network):
    mark = tmp_path / "was run"
    more = {"callbacks": {"x": Evil(mark), "y": Strange(), "p": Path("a"), "n": np.float64(2)}}
    same(read_foreign(checkpoint(tmp_path, network, **more), trust=True), network)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"model.autoencoder.more": torch.zeros(1)}, r"unknown model\.autoencoder\.more"),
        (
            {"model.autoencoder.encoder.blocks.0.conv1.bias": torch.zeros(7)},
            r"conv1\.bias is \(7,\), expected \(32,\)",
        ),
    ],
)
def test_weights_are_matched_strictly(tmp_path, network, weights, message):
    with pytest.raises(UserError, match=message):
        read_foreign(checkpoint(tmp_path, network, weights), trust=True)


def test_a_missing_weight_is_named(tmp_path, network):
    path = checkpoint(tmp_path, network)
    content = torch.load(path, weights_only=True)
    del content["state_dict"]["model.autoencoder.decoder_phase.phase.conv2.bias"]
    torch.save(content, path)
    with pytest.raises(UserError, match=r"lacks model\.autoencoder\.decoder_phase\.phase\.conv2"):
        read_foreign(path, trust=True)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"architecture": "ffno"}, "'ffno', not 'cnn'"),
        ({"mode": "Supervised"}, "mode 'Supervised'"),
        ({"cnn_output_mode": "real_imag"}, "'real_imag', not amplitude and phase"),
        ({"batch_norm": True}, "it has batch_norm"),
        ({"use_shared_decoder": True}, "it has use_shared_decoder"),
        ({"amp_activation": "mish"}, "function of its amplitude is 'mish'"),
        ({"decoder_last_c_outer_fraction": 0.25}, "keep 8 channels for the border"),
        ({"n_filters_scale": "many"}, "n_filters_scale"),
    ],
)
def test_another_network_is_refused(tmp_path, network, model, message):
    with pytest.raises(UserError, match=message):
        read_foreign(checkpoint(tmp_path, network, model=model), trust=True)


def test_a_network_that_takes_in_counts_is_refused(tmp_path, network):
    path = checkpoint(tmp_path, network, data={"measurement_domain": "count_intensity"})
    with pytest.raises(UserError, match="takes in count intensity, ours amplitudes"):
        read_foreign(path, trust=True)


def test_what_a_checkpoint_does_not_say_must_be_said(tmp_path, network):
    path = checkpoint(tmp_path, network)
    content = torch.load(path, weights_only=True)
    del content["hyper_parameters"]["data_config"]["measurement_domain"]
    torch.save(content, path)
    with pytest.raises(UserError, match="--input amplitude"):
        read_foreign(path, trust=True)
    same(read_foreign(path, trust=True, measurement="amplitude"), network)
    with pytest.raises(UserError, match="takes in counts"):
        read_foreign(path, trust=True, measurement="counts")


def test_a_bundle_of_tensorflow_is_named_as_that(tmp_path, network):
    manifest = pickle.dumps({"models": ["autoencoder"], "version": "1.0"})
    path = changed(bundle(tmp_path, network), "manifest.dill", manifest)
    with pytest.raises(UserError, match=r"version '1\.0', only '2\.0-pytorch'"):
        read_foreign(path, trust=True)


def test_a_role_without_weights_is_named(tmp_path, network):
    buffer = io.BytesIO()
    torch.save({"_sentinel": "diffraction_to_obj"}, buffer)
    path = changed(bundle(tmp_path, network), "diffraction_to_obj/model.pth", buffer.getvalue())
    with pytest.raises(UserError, match="holds no weights"):
        read_foreign(path, trust=True)


def test_a_missing_member_is_named(tmp_path, network):
    path = changed(bundle(tmp_path, network), "diffraction_to_obj/params.dill", None)
    with pytest.raises(UserError, match=r"lacks diffraction_to_obj/params\.dill"):
        read_foreign(path, trust=True)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive at all" * 10])
def test_other_files_are_told_apart(tmp_path, content):
    (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.ckpt: this is neither"):
        read_foreign(tmp_path / "x.ckpt", trust=True)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_foreign(tmp_path / "x.ckpt", trust=True)


@pytest.mark.parametrize("share", [0.6, 0.8, 0.999])
def test_a_damaged_file_is_one_message(tmp_path, network, share):
    path = bundle(tmp_path, network)
    data = bytearray(path.read_bytes())
    for k in range(40):
        data[(int(share * len(data)) + 7 * k) % len(data)] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UserError, match=str(path)):
        read_foreign(path, trust=True)
