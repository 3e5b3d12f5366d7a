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
from ptychopinn_batch.legacy.foreign import AGAIN, KINDS, MEND, read_foreign
from ptychopinn_batch.legacy.metadata import metadata
from ptychopinn_batch.legacy.weights import to_upstream
from ptychopinn_batch.networks.cnn import Cnn

SWISH = {
    "amplitude_activation": "swish",
    "border_activation": "swish",
    "input": "amplitude",  # never less that of an empty sample
}
SETTINGS = CnnSettings(filters_scale=1, lineage="head", **SWISH)
ROLE = "diffraction_to_obj"
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
def test_nothing_is_read_without_trust(tmp_path, network, refusal_of, make):
    path = make(tmp_path, network)
    assert refusal_of(read_foreign, path, trust=False) == (
        "this file is pickled, and nothing vouches for what is in it",
        str(path),
        "Give --trust if you know where it comes from; nothing in it will be run",
    )


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


def test_code_in_weights_is_not_run(tmp_path, network, refusal_of):
    buffer, mark = io.BytesIO(), tmp_path / "was run"
    torch.save({"model.autoencoder.x": Evil(mark)}, buffer)
    path = changed(bundle(tmp_path, network), "diffraction_to_obj/model.pth", buffer.getvalue())
    assert refusal_of(read_foreign, path, trust=True) == (
        "it holds no weights of model.autoencoder",
        str(path),
        MEND,
    )
    assert not mark.exists()


def test_code_in_a_checkpoint_is_not_run_and_strange_objects_do_no_harm(tmp_path, network):
    mark = tmp_path / "was run"
    more = {"callbacks": {"x": Evil(mark), "y": Strange(), "p": Path("a"), "n": np.float64(2)}}
    same(read_foreign(checkpoint(tmp_path, network, **more), trust=True), network)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            {"model.autoencoder.more": torch.zeros(1)},
            r"this network holds an unknown model\.autoencoder\.more\. Only PtychoPINN's",
        ),
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
    expected = r"this network lacks model\.autoencoder\.decoder_phase\.phase\.conv2\.bias\. Only"
    with pytest.raises(UserError, match=expected):
        read_foreign(path, trust=True)


def test_a_missing_weight_of_a_bundle_without_metadata_is_named(tmp_path, old_network, refusal_of):
    named = to_upstream(old_network.state_dict(), old_network.settings)
    missing = "model.autoencoder.decoder_amp.amp.conv1.weight"
    buffer = io.BytesIO()
    torch.save({name: value for name, value in named.items() if name != missing}, buffer)
    path = changed(bundle(tmp_path, old_network), f"{ROLE}/model.pth", buffer.getvalue())
    assert refusal_of(read_foreign, path, trust=True) == (
        f"this network lacks {missing}",
        str(path),
        MEND,
    )


@pytest.mark.parametrize("params", [{"N": 64}, [64, 1]])
def test_a_bundle_that_does_not_say_what_its_network_is(tmp_path, old_network, refusal_of, params):
    path = changed(bundle(tmp_path, old_network), f"{ROLE}/params.dill", pickle.dumps(params))
    assert refusal_of(read_foreign, path, trust=True) == (
        "its params.dill names no N and gridsize",
        str(path),
        AGAIN,
    )


def test_a_network_beyond_all_of_ours_is_refused_with_the_reason(tmp_path, network, refusal_of):
    model = {"n_filters_scale": 99, "use_legacy_decoder_channel_override": False}
    path = checkpoint(tmp_path, network, model=model)
    what, where, mend = refusal_of(read_foreign, path, trust=True)
    assert what.startswith("no such network of ours (filters_scale: Input should be less than")
    assert (where, mend) == (str(path), MEND)


@pytest.mark.parametrize("sections", [None, {"learning_rate": 1e-3}])
def test_a_checkpoint_of_somebody_else_is_refused(tmp_path, network, refusal_of, sections):
    path = checkpoint(tmp_path, network, hyper_parameters=sections)
    assert refusal_of(read_foreign, path, trust=True) == (
        "this checkpoint does not hold the configuration of its network",
        str(path),
        "Only checkpoints that PtychoPINN wrote can be read",
    )


def test_weights_alone_are_no_checkpoint(tmp_path, network, refusal_of):
    torch.save(network.state_dict(), tmp_path / "weights.ckpt")
    assert refusal_of(read_foreign, tmp_path / "weights.ckpt", trust=True) == (
        "this is no Lightning checkpoint",
        str(tmp_path / "weights.ckpt"),
        KINDS,
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"architecture": "ffno"}, "'ffno', not 'cnn'"),
        ({"mode": "Supervised"}, "mode 'Supervised'"),
        ({"cnn_output_mode": "real_imag"}, "'real_imag', not amplitude and phase"),
        ({"batch_norm": True}, "it has batch_norm"),
        ({"use_shared_decoder": True}, "it has use_shared_decoder"),
        ({"amp_activation": "mish"}, "function of its amplitude is 'mish'"),
        (
            {"decoder_last_c_outer_fraction": 0.25},
            r"its decoders keep 8 channels for the border, expected 1\. Only PtychoPINN's own",
        ),
        ({"n_filters_scale": "many"}, "n_filters_scale"),
    ],
)
def test_another_network_is_refused(tmp_path, network, model, message):
    with pytest.raises(UserError, match=message):
        read_foreign(checkpoint(tmp_path, network, model=model), trust=True)


def test_a_network_that_takes_in_counts_is_refused(tmp_path, network, refusal_of):
    path = checkpoint(tmp_path, network, data={"measurement_domain": "count_intensity"})
    assert refusal_of(read_foreign, path, trust=True) == (
        "its network takes in count intensity, ours amplitudes",
        str(path),
        "There is no way to use it here",
    )


def test_what_a_checkpoint_does_not_say_must_be_said(tmp_path, network, refusal_of):
    path = checkpoint(tmp_path, network)
    content = torch.load(path, weights_only=True)
    del content["hyper_parameters"]["data_config"]["measurement_domain"]
    torch.save(content, path)
    assert refusal_of(read_foreign, path, trust=True) == (
        "this file does not say whether its network takes in amplitudes or counts",
        str(path),
        "Give --input amplitude if it was trained on amplitudes",
    )
    same(read_foreign(path, trust=True, measurement="amplitude"), network)
    with pytest.raises(UserError, match="takes in counts"):
        read_foreign(path, trust=True, measurement="counts")


def test_a_bundle_of_tensorflow_is_named_as_that(tmp_path, network, refusal_of):
    manifest = pickle.dumps({"models": ["autoencoder"], "version": "1.0"})
    path = changed(bundle(tmp_path, network), "manifest.dill", manifest)
    assert refusal_of(read_foreign, path, trust=True) == (
        "this bundle has version '1.0'",
        str(path),
        "Only bundles of PtychoPINN's PyTorch code, version '2.0-pytorch', can be read",
    )


def test_a_role_without_weights_is_named(tmp_path, network, refusal_of):
    buffer = io.BytesIO()
    torch.save({"_sentinel": "diffraction_to_obj"}, buffer)
    path = changed(bundle(tmp_path, network), "diffraction_to_obj/model.pth", buffer.getvalue())
    assert refusal_of(read_foreign, path, trust=True) == (
        "it holds no weights",
        str(path),
        AGAIN,
    )


def test_a_missing_member_is_named(tmp_path, network, refusal_of):
    path = changed(bundle(tmp_path, network), f"{ROLE}/params.dill", None)
    assert refusal_of(read_foreign, path, trust=True) == (
        f"this bundle lacks {ROLE}/params.dill",
        str(path),
        AGAIN,
    )


def test_a_member_that_claims_too_much_is_not_opened(tmp_path, network, refusal_of, monkeypatch):
    monkeypatch.setattr("ptychopinn_batch.legacy.foreign.LARGEST", 10)
    path = bundle(tmp_path, network)
    assert refusal_of(read_foreign, path, trust=True) == (
        "its manifest.dill would take 0.0 GB",
        str(path),
        "Look where the file comes from: no network of PtychoPINN is as large",
    )


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive at all" * 10])
def test_other_files_are_told_apart(tmp_path, refusal_of, content):
    (tmp_path / "x.ckpt").write_bytes(content)
    assert refusal_of(read_foreign, tmp_path / "x.ckpt", trust=True) == (
        "this is neither a whole bundle nor a whole checkpoint of PtychoPINN",
        str(tmp_path / "x.ckpt"),
        KINDS,
    )


def test_a_file_that_is_not_there_is_named(tmp_path, refusal_of):
    what, *rest = refusal_of(read_foreign, tmp_path / "x.ckpt", trust=True)
    assert what.startswith("this file cannot be read ([Errno 2] No such file")
    assert rest == [str(tmp_path / "x.ckpt"), "Check the path"]


def test_a_pickle_without_sense_is_damage(tmp_path, network, refusal_of):
    path = changed(bundle(tmp_path, network), "manifest.dill", b"cut")
    what, *rest = refusal_of(read_foreign, path, trust=True)
    assert what.startswith("this file is damaged (")
    assert rest == [str(path), AGAIN]


def test_a_border_wider_than_any_of_ours_is_refused(tmp_path, refusal_of):
    network = Cnn(CnnSettings(filters_scale=1, lineage="tf", n=128, **SWISH)).eval()
    same(read_foreign(checkpoint(tmp_path, network), trust=True), network)
    name = "model.autoencoder.decoder_amp.amp.conv_up_block.conv1.bias"
    path = checkpoint(tmp_path, network, {name: torch.ones(32)})
    assert refusal_of(read_foreign, path, trust=True) == (
        f"{name} is wider than the network of ours that it comes nearest to",
        str(path),
        "Only PtychoPINN's convolutional network without changes can be read",
    )


@pytest.mark.parametrize("share", [0.6, 0.8, 0.999])
def test_a_damaged_file_is_one_message(tmp_path, network, share):
    path = bundle(tmp_path, network)
    data = bytearray(path.read_bytes())
    for k in range(40):
        data[(int(share * len(data)) + 7 * k) % len(data)] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UserError, match=str(path)):
        read_foreign(path, trust=True)
