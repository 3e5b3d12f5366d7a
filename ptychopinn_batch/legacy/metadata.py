"""The configuration that PtychoPINN's main branch rebuilds a network from when it loads a bundle.

Four sections of exactly the fields its configuration classes had in July 2026
(https://github.com/hoidn/PtychoPINN); a missing or an unknown one would be refused. What we do not
decide has upstream's default.
"""

from __future__ import annotations

from typing import Any

from ptychopinn_batch.jobspec import CnnSettings

METADATA, SCHEMA = "torch_scaling_metadata.pt", "ci-entrypoints-v1"
CONTRACT, DOMAIN = "legacy_v1", "normalized_amplitude"
ACTIVATIONS = {"sigmoid": "sigmoid", "unit_sigmoid": "sigmoid", "swish": "silu"}
UNKNOWN_DOSE = 1e9  # counts in a frame, what PtychoPINN assumes

Section = dict[str, Any]

# fmt: off
DATA: Section = {
    "scale_contract_version": CONTRACT, "measurement_domain": DOMAIN, "K_quadrant": 30,
    "n_subsample": 7, "subsample_seed": None, "neighbor_function": "Nearest",
    "min_neighbor_distance": 0.0, "max_neighbor_distance": 3.0, "scan_pattern": "Isotropic",
    "normalize": "Batch", "probe_scale": 4.0, "probe_normalize": True, "data_scaling": "Parseval",
    "phase_subtraction": True, "x_bounds": (0.1, 0.9), "y_bounds": (0.1, 0.9),
}
MODEL: Section = {
    "mode": "Unsupervised", "architecture": "cnn", "fno_modes": 12, "fno_width": 32,
    "fno_blocks": 4, "fno_cnn_blocks": 2, "learned_input_channels": 1,
    "fno_input_transform": "none", "max_hidden_channels": None, "resnet_width": None,
    "spectral_bottleneck_blocks": 6, "spectral_bottleneck_modes": 12,
    "spectral_bottleneck_share_weights": True, "spectral_bottleneck_gate_init": 0.1,
    "spectral_bottleneck_gate_mode": "shared", "generator_output_mode": "real_imag",
    "cnn_output_mode": "amp_phase", "use_shared_decoder": False,
    "intensity_scale_trainable": False, "intensity_scale": 10000.0, "max_position_jitter": 10,
    "num_datasets": 1, "batch_norm": False, "probe_mask": False, "probe_mask_tensor": None,
    "probe_mask_sigma": 1.0, "probe_mask_diameter": None, "edge_pad": 10,
    "use_legacy_decoder_channel_override": True, "eca_encoder": False, "cbam_bottleneck": False,
    "cbam_decoder": False, "eca_decoder": False, "spatial_decoder": False,
    "decoder_spatial_kernel": 7, "offset": 6, "training_patch_weighting": "central_mask",
    "physics_forward_mode": "amplitude", "rect_s1s2_trainable": True, "rect_s1s2_init": "ones",
    "amplitude_physics_gain": 1.0, "pad_object": True, "gaussian_smoothing_sigma": 0.0,
    "loss_function": "Poisson", "amp_loss": None, "phase_loss": None, "amp_loss_coeff": 1.0,
    "phase_loss_coeff": 1.0,
}
TRAINING: Section = {
    "training_directories": [], "nll": True, "device": "cpu", "strategy": None, "n_devices": 1,
    "framework": "Lightning", "orchestrator": "Lightning", "learning_rate": 1e-3, "epochs": 50,
    "batch_size": 16, "epochs_fine_tune": 0, "fine_tune_gamma": 0.1, "scheduler": "Default",
    "lr_warmup_epochs": 0, "lr_min_ratio": 0.1, "plateau_factor": 0.5, "plateau_patience": 2,
    "plateau_min_lr": 5e-5, "plateau_threshold": 0.0, "num_workers": 4, "accum_steps": 1,
    "gradient_clip_val": None, "gradient_clip_algorithm": "norm", "optimizer": "adam",
    "momentum": 0.9, "weight_decay": 0.0, "adam_beta1": 0.9, "adam_beta2": 0.999,
    "log_grad_norm": False, "grad_norm_log_freq": 1, "stage_1_epochs": 0, "stage_2_epochs": 0,
    "stage_3_epochs": 0, "physics_weight_schedule": "cosine", "stage_3_lr_factor": 0.1,
    "torch_loss_mode": "poisson", "torch_mae_pred_l2_match_target": False,
    "experiment_name": "Synthetic_Runs", "notes": "", "model_name": "PtychoPINNv2",
    "output_dir": "training_outputs", "train_data_file": None, "test_data_file": None,
    "n_groups": None,
}
INFERENCE: Section = {
    "middle_trim": 32, "batch_size": 1000, "experiment_number": 0, "pad_eval": True, "window": 20,
    "patch_weighting": "probe", "varpro_scaling": True, "log_patch_stats": False,
    "patch_stats_limit": None,
}
# fmt: on


def metadata(settings: CnnSettings, photons: float | None) -> Section:
    """Plain data for a network; `photons`: mean counts of the frames it learned from, if known."""
    return {
        "schema_version": SCHEMA,
        "data_config": DATA | _data(settings, photons),
        "model_config": MODEL | _model(settings),
        "training_config": TRAINING,
        "inference_config": INFERENCE,
        "ci_statistics": None,
    }


def has_same_border(settings: CnnSettings) -> bool:
    """Whether a network has a border, and upstream's is the same."""
    same = settings.border_activation == "swish" and settings.amplitude_activation != "sigmoid"
    return settings.probe_big and same


def _data(settings: CnnSettings, photons: float | None) -> Section:
    side = settings.gridsize
    return {
        "nphotons": UNKNOWN_DOSE if photons is None else photons,
        "N": settings.n,
        "C": side**2,
        "K": max(4, side**2),
        "grid_size": (side, side),
    }


def _model(settings: CnnSettings) -> Section:
    from ptychopinn_batch.networks.autoencoder import Layout

    trunk, outer = 32 * settings.filters_scale, Layout.of(settings).outer
    return {
        "C_model": settings.gridsize**2,
        "C_forward": settings.gridsize**2,
        "n_filters_scale": settings.filters_scale,
        "amp_activation": ACTIVATIONS[settings.amplitude_activation],
        # Halfway to the next channel, since upstream cuts the product off to a whole number.
        "decoder_last_c_outer_fraction": (outer + 0.5) / trunk,
        "decoder_last_amp_channels": 1 if settings.shared_amplitude else settings.group,
        "cbam_encoder": settings.cbam,
        "object_big": settings.object_big,
        "probe_big": has_same_border(settings),
    }
