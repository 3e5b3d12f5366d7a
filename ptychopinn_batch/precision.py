"""Which arithmetic networks compute in, and where half precision is worth it."""

from __future__ import annotations

import torch


def mixed(precision: str, device: torch.device) -> torch.autocast:
    """The context that networks run in: `32`, `bf16`, or `auto`, which is the faster of them."""
    half = precision == "bf16" or (precision == "auto" and computes_in_bf16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=half)


def computes_in_bf16(device: torch.device) -> bool:
    """Whether a device has instructions for it; where not, it is emulated, many times slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
