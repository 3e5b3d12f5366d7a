"""`wts.h5.zip`, without PtychoPINN: every documented path and value, and a network built from the
documented layer table that takes the weights strictly and computes what ours does."""

import io
import itertools
import pickle
import pickletools
import zipfile

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hpc.errors import UserError
from ptychopinn_batch.jobspec import CnnSettings
from ptychopinn_batch.legacy import bundle
from ptychopinn_batch.legacy.bundle import read_own_bundle, write_bundle
from ptychopinn_batch.legacy.metadata import metadata
from ptychopinn_batch.legacy.table import DEFAULTS
from ptychopinn_batch.networks.cnn import Cnn

SMALL = {"filters_scale": 1, "input": "amplitude", "border_activation": "swish"}
MAIN = [
    {"amplitude_activation": "unit_sigmoid"},
    {"lineage": "head", "amplitude_activation": "swish", "gridsize": 2},
    {"lineage": "head", "amplitude_activation": "swish", "gridsize": 2, "shared_amplitude": True},
    {"lineage": "head", "amplitude_activation": "unit_sigmoid", "probe_big": False, "cbam": True},
    {"amplitude_activation": "swish", "gridsize": 2, "object_big": False},
    {"amplitude_activation": "swish", "n": 128},
]
AUTUMN = [
    {"lineage": "torch", "amplitude_activation": "swish"},
    {
        "lineage": "torch",
        "amplitude_activation": "unit_sigmoid",
        "gridsize": 2,
        "shared_amplitude": True,
    },
]
FIELDS = {  # of the configuration classes of July 2026; a missing or unknown one is refused
    "data_config": """
        nphotons scale_contract_version measurement_domain N C K K_quadrant n_subsample
        subsample_seed grid_size neighbor_function min_neighbor_distance
        max_neighbor_distance scan_pattern normalize probe_scale probe_normalize
        data_scaling phase_subtraction x_bounds y_bounds
    """,
    "model_config": """
        mode architecture fno_modes fno_width fno_blocks fno_cnn_blocks
        learned_input_channels fno_input_transform max_hidden_channels resnet_width
        spectral_bottleneck_blocks spectral_bottleneck_modes
        spectral_bottleneck_share_weights spectral_bottleneck_gate_init
        spectral_bottleneck_gate_mode generator_output_mode cnn_output_mode
        use_shared_decoder intensity_scale_trainable intensity_scale max_position_jitter
        num_datasets C_model n_filters_scale amp_activation batch_norm probe_mask
        probe_mask_tensor probe_mask_sigma probe_mask_diameter edge_pad
        decoder_last_c_outer_fraction decoder_last_amp_channels
        use_legacy_decoder_channel_override eca_encoder cbam_encoder cbam_bottleneck
        cbam_decoder eca_decoder spatial_decoder decoder_spatial_kernel object_big probe_big
        offset C_forward training_patch_weighting physics_forward_mode rect_s1s2_trainable
        rect_s1s2_init amplitude_physics_gain pad_object gaussian_smoothing_sigma
        loss_function amp_loss phase_loss amp_loss_coeff phase_loss_coeff
    """,
    "training_config": """
        training_directories nll device strategy n_devices framework orchestrator
        learning_rate epochs batch_size epochs_fine_tune fine_tune_gamma scheduler
        lr_warmup_epochs lr_min_ratio plateau_factor plateau_patience plateau_min_lr
        plateau_threshold num_workers accum_steps gradient_clip_val gradient_clip_algorithm
        optimizer momentum weight_decay adam_beta1 adam_beta2 log_grad_norm
        grad_norm_log_freq stage_1_epochs stage_2_epochs stage_3_epochs
        physics_weight_schedule stage_3_lr_factor torch_loss_mode
        torch_mae_pred_l2_match_target experiment_name notes model_name output_dir
        train_data_file test_data_file n_groups
    """,
    "inference_config": """
        middle_trim batch_size experiment_number pad_eval window patch_weighting
        varpro_scaling log_patch_stats patch_stats_limit
    """,
}
WIDTHS = {  # encoder and decoder, in units of n_filters_scale
    64: ((32, 64, 128), (64, 32)),
    128: ((16, 32, 64, 128), (128, 64, 32)),
}


class Block(nn.Module):
    """Two convolutions, and attention where there is any."""

    def __init__(self, inputs, outputs, attention=False):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.attention = Gates(outputs) if attention else nn.Identity()

    def forward(self, x):
        return self.attention(F.relu(self.conv2(F.relu(self.conv1(x)))))


class Gates(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.ChannelGate = nn.Module()
        layers = [nn.Flatten(), nn.Linear(width, width // 16), nn.ReLU()]
        self.ChannelGate.mlp = nn.Sequential(*layers, nn.Linear(width // 16, width))
        self.SpatialGate = nn.Module()
        self.SpatialGate.compress = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x):
        means = self.ChannelGate.mlp(x.mean((2, 3))) + self.ChannelGate.mlp(x.amax((2, 3)))
        x = x * torch.sigmoid(means)[:, :, None, None]
        seen = torch.stack([x.amax(1), x.mean(1)], 1)
        return x * torch.sigmoid(self.SpatialGate.compress(seen))


class Head(nn.Module):
    def __init__(self, trunk, outer, outputs):
        super().__init__()
        self.outer = outer
        self.conv1 = nn.Conv2d(trunk - outer, outputs, 3, padding=1)
        self.conv_up_block = Block(outer, trunk)
        self.conv2 = nn.Conv2d(trunk, outputs, 3, padding=1)

    def forward(self, x, activation, *, probe_big, masked):
        quarter = x.shape[-1] // 2
        centre = F.pad(activation(self.conv1(x[:, : -self.outer])), [quarter] * 4)
        if not probe_big:
            return centre
        border = F.silu(self.conv2(twice(self.conv_up_block(x[:, -self.outer :]))))
        if masked:
            border[..., quarter:-quarter, quarter:-quarter] = 0
        return centre + border


def twice(x):
    return F.interpolate(x, scale_factor=2, mode="nearest")


class Decoder(nn.Module):
    def __init__(self, name, scale, widths, outer, outputs):
        super().__init__()
        self.name = name
        pairs = zip((128, *widths), widths, strict=False)
        self.blocks = nn.ModuleList([Block(a * scale, b * scale) for a, b in pairs])
        self.add_module(name, Head(32 * scale, outer, outputs))

    def forward(self, x, activation, **how):
        for block in self.blocks:
            x = twice(block(x))
        return getattr(self, self.name)(x, activation, **how)


class Upstream(nn.Module):
    """The network of a configuration, as the documentation describes it."""

    def __init__(self, data, model, *, masked):
        super().__init__()
        self.how = {"probe_big": model["probe_big"], "masked": masked}
        self.sigmoid = model["amp_activation"] == "sigmoid"
        scale, (encoder, decoder) = model["n_filters_scale"], WIDTHS[data["N"]]
        channels = model["C_model"] if model["object_big"] else 1
        outer = max(1, int(32 * scale * model["decoder_last_c_outer_fraction"]))
        inputs = (channels, *(scale * width for width in encoder))
        pairs = itertools.pairwise(inputs)
        amplitudes = model["decoder_last_amp_channels"] if channels > 1 else 1
        self.model = nn.Module()
        own = self.model.autoencoder = nn.Module()
        own.encoder = nn.Module()
        own.encoder.blocks = nn.ModuleList([Block(*p, model["cbam_encoder"]) for p in pairs])
        own.decoder_amp = Decoder("amp", scale, decoder, outer, amplitudes)
        own.decoder_phase = Decoder("phase", scale, decoder, outer, channels)
        if masked:  # the main branch keeps the scales of its physics with the network
            physics = self.model.forward_model = nn.Module()
            physics.alpha = nn.Parameter(torch.ones(model["num_datasets"]))
            physics.beta = nn.Parameter(torch.ones(model["num_datasets"]))
            physics.rect_scaler = nn.Module()
            physics.rect_scaler.s1 = nn.Parameter(torch.ones(model["num_datasets"]))
            physics.rect_scaler.s2 = nn.Parameter(torch.ones(model["num_datasets"]))

    def forward(self, x):
        own = self.model.autoencoder
        for block in own.encoder.blocks:
            x = F.max_pool2d(block(x), 2)
        function = torch.sigmoid if self.sigmoid else F.silu
        size = own.decoder_amp(x, function, **self.how)
        return size * torch.exp(
            1j * own.decoder_phase(x, lambda y: torch.pi * torch.tanh(y), **self.how)
        )


def network(settings):
    torch.manual_seed(0)
    made = Cnn(CnnSettings(**{**SMALL, **settings})).eval()
    for parameter in made.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    return made


def written(folder, settings, photons=4e5):
    made, path = network(settings), folder / "wts.h5.zip"
    write_bundle(path, made.settings, made.state_dict(), photons=photons)
    return made, path


def member(path, name):
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def plain(path, name):
    """A pickled member, read by an unpickler that can build nothing."""

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            raise AssertionError(f"{module}.{name} is asked for")

    return Unpickler(io.BytesIO(member(path, name))).load()


def tensors(path, name):
    data = io.BytesIO(member(path, name))
    return torch.load(data, map_location="cpu", weights_only=True)


def same_function(made, theirs):
    frames = torch.rand(2, made.settings.group, made.settings.n, made.settings.n)
    with torch.no_grad():
        torch.testing.assert_close(theirs(frames), made.autoencoder(frames), rtol=1e-4, atol=1e-5)


def test_the_archive_has_the_documented_members(tmp_path):
    _, path = written(tmp_path, MAIN[0])
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [
            "manifest.dill",
            "autoencoder/model.pth",
            "autoencoder/params.dill",
            "diffraction_to_obj/model.pth",
            "diffraction_to_obj/params.dill",
            "torch_scaling_metadata.pt",
        ]
    assert plain(path, "manifest.dill") == {
        "models": ["autoencoder", "diffraction_to_obj"],
        "version": "2.0-pytorch",
    }


def test_the_params_are_params_cfg_with_scale_and_version(tmp_path):
    _, path = written(tmp_path, {**MAIN[1], "n": 64})
    params = plain(path, "diffraction_to_obj/params.dill")
    assert params == plain(path, "autoencoder/params.dill")
    assert {name for name, value in DEFAULTS.items() if value is not None} <= params.keys()
    wanted = {
        "N": 64,
        "gridsize": 2,
        "n_filters_scale": 1,
        "amp_activation": "swish",
        "object.big": True,
        "probe.big": True,
        "model_type": "pinn",
        "nphotons": 4e5,
        "_version": "2.0-pytorch",
    }
    assert {name: params[name] for name in wanted} == wanted
    assert params["intensity_scale"] == pytest.approx(4e5**0.5 / 32)


def test_without_a_known_dose_that_of_ptychopinn_is_assumed(tmp_path):
    _, path = written(tmp_path, MAIN[0], photons=None)
    params = plain(path, "autoencoder/params.dill")
    assert params["nphotons"] == 1e9
    assert params["intensity_scale"] == pytest.approx(1e9**0.5 / 32)


def test_the_pickles_can_do_nothing(tmp_path):
    _, path = written(tmp_path, MAIN[0])
    harmful = {"GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"}
    for name in ("manifest.dill", "autoencoder/params.dill"):
        used = {opcode.name for opcode, _, _ in pickletools.genops(member(path, name))}
        assert not used & harmful


@pytest.mark.parametrize("settings", MAIN, ids=str)
def test_the_main_branch_rebuilds_the_network_from_its_metadata(tmp_path, settings):
    made, path = written(tmp_path, settings)
    sections = tensors(path, "torch_scaling_metadata.pt")
    assert sections["schema_version"] == "ci-entrypoints-v1"
    assert sections["ci_statistics"] is None
    assert sections["data_config"]["scale_contract_version"] == "legacy_v1"
    assert sections["data_config"]["measurement_domain"] == "normalized_amplitude"
    theirs = Upstream(sections["data_config"], sections["model_config"], masked=True)
    for role in ("autoencoder", "diffraction_to_obj"):
        theirs.load_state_dict(tensors(path, f"{role}/model.pth"), strict=True)
    same_function(made, theirs)


@pytest.mark.parametrize("section", FIELDS)
def test_a_section_has_exactly_the_fields_of_the_main_branch(section):
    found = metadata(CnnSettings(), None)[section]
    assert sorted(found) == sorted(FIELDS[section].split())


@pytest.mark.parametrize("settings", AUTUMN, ids=str)
def test_the_program_of_2025_rebuilds_the_network_from_params_cfg(tmp_path, settings):
    made, path = written(tmp_path, settings)
    params = plain(path, "diffraction_to_obj/params.dill")
    channels = params["gridsize"] ** 2
    data = {"N": params["N"], "C": channels}
    model = {  # what its loader takes from params.cfg, and its defaults
        "n_filters_scale": params["n_filters_scale"],
        "amp_activation": params["amp_activation"],
        "object_big": params["object.big"],
        "probe_big": params["probe.big"],
        "C_model": channels,
        "decoder_last_c_outer_fraction": 0.125,
        "decoder_last_amp_channels": 1,
        "cbam_encoder": False,
    }
    theirs = Upstream(data, model, masked=False)
    theirs.load_state_dict(tensors(path, "diffraction_to_obj/model.pth"), strict=True)
    same_function(made, theirs)


@pytest.mark.parametrize(
    ("settings", "factor", "notes"),
    [
        ({}, 2, ["halved", "border of patches is switched off"]),
        ({"border_activation": "own"}, 2, ["halved", "border of patches is switched off"]),
        (
            {"border_activation": "own", "amplitude_activation": "swish"},
            1,
            ["border of patches is switched off"],
        ),
        ({"lineage": "torch", "border_activation": "own"}, 2, ["halved", "switched off"]),
    ],
    ids=str,
)
def test_what_differs_is_said_and_the_centre_is_the_same(tmp_path, caplog, settings, factor, notes):
    made, path = written(tmp_path, settings)
    assert len(caplog.records) == len(notes)
    assert all(note in caplog.text for note in notes)
    sections = metadata(made.settings, None)
    assert plain(path, "autoencoder/params.dill")["probe.big"] is False
    masked = made.settings.lineage != "torch"
    theirs = Upstream(sections["data_config"], sections["model_config"], masked=masked)
    theirs.load_state_dict(tensors(path, "autoencoder/model.pth"), strict=True)
    frames = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        centre, found = (..., slice(16, 48), slice(16, 48)), theirs(frames)
        expected = made.autoencoder(frames)[centre]
        torch.testing.assert_close(factor * found[centre], expected, rtol=1e-4, atol=1e-5)
        found[centre] = 0
        assert not found.any()


@pytest.mark.parametrize("settings", [*MAIN[:4], AUTUMN[1], {}], ids=str)
def test_a_bundle_gives_back_our_weights(tmp_path, settings):
    made, path = written(tmp_path, settings)
    back = read_own_bundle(path, made.settings)
    assert back.keys() == made.state_dict().keys()
    assert all(torch.equal(back[name], value) for name, value in made.state_dict().items())


def test_the_same_network_gives_the_same_bytes(tmp_path):
    (tmp_path / "again").mkdir()
    assert (
        written(tmp_path, MAIN[0])[1].read_bytes()
        == written(tmp_path / "again", MAIN[0])[1].read_bytes()
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 96}, r"model\.cnn\.n: .*no layers for frames of 96 .*64, 128, 256"),
        ({"input": "contrast"}, "input: .*as they are.*Take amplitude"),
        ({"output": "real_imag"}, "output: .*other ranges.*Take amplitude_phase"),
        ({"amplitude_activation": "relu"}, "amplitude_activation: .*no 'relu'"),
        ({"lineage": "torch", "cbam": True}, "cbam: .*Take the lineage head"),
        ({"lineage": "torch", "gridsize": 2}, "shared_amplitude: .*Take true, or the lineage head"),
    ],
)
def test_a_network_that_ptychopinn_cannot_hold_is_refused(tmp_path, settings, message):
    made = CnnSettings(**{**SMALL, **settings})
    with pytest.raises(UserError, match=message):
        write_bundle(tmp_path / "wts.h5.zip", made, {}, photons=None)
    assert list(tmp_path.iterdir()) == []


AGAIN = "Get the package again, or export its network again"


def test_a_damaged_bundle_is_named(tmp_path, refusal_of):
    made, path = written(tmp_path, MAIN[0])
    path.write_bytes(path.read_bytes()[:-100])
    what, where, mend = refusal_of(read_own_bundle, path, made.settings)
    assert what.startswith("this bundle is damaged (")
    assert (where, mend) == (str(path), AGAIN)


def test_a_bundle_of_two_networks_is_refused(tmp_path, refusal_of):
    made, path = written(tmp_path, MAIN[0])
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = torch.load(io.BytesIO(members["autoencoder/model.pth"]), weights_only=True)
    weights["model.autoencoder.encoder.blocks.0.conv1.bias"] += 1
    other = io.BytesIO()
    torch.save(weights, other)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, "autoencoder/model.pth": other.getvalue()}.items():
            archive.writestr(name, content)
    assert refusal_of(read_own_bundle, path, made.settings) == (
        "its two roles hold different weights",
        str(path),
        AGAIN,
    )


def test_nothing_but_plain_values_is_pickled():
    with pytest.raises(TypeError, match="no plain value"):
        bundle.dump_plain({"a": object()})
