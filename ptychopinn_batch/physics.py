"""The forward model: how a probe, an object and a position make a diffraction frame.

Conventions, used everywhere: FFTs are orthonormal, so energy in the exit wave is counts on the
detector; the detector's DC is at [0, 0]; the whole-pixel part of a position is an index into the
canvas and its fraction a Fourier shift of the probe, so that the object is never interpolated;
probe modes add incoherently.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

CHUNK_PIXELS = 2**18  # frame pixels worked on at once: such a chunk stays in a CPU core's cache
GPU_CHUNK_PIXELS = 2**22  # less, and starting its kernels would take longer than their work

LEAST_LIGHT = 1e-4  # of the brightest pixel: darker ones are not seen
DAMPING = 0.02  # of the brightest pixel, added to the light that an update is divided by
FLOOR = 1e-3  # of the largest amplitude: smallest modelled one, keeps the root's slope finite


def chunk_of(n: int, modes: int, device: torch.device) -> int:
    """How many frames (n, n) of so many modes are worked on at once on a device."""
    pixels = CHUNK_PIXELS if device.type == "cpu" else GPU_CHUNK_PIXELS
    return max(1, pixels // (n**2 * modes))


def abs2(z: Tensor) -> Tensor:
    """|z|^2 of a complex tensor, without the slow complex `abs`."""
    v = torch.view_as_real(z)
    return torch.addcmul(v[..., 0] * v[..., 0], v[..., 1], v[..., 1])


def scaled(z: Tensor, factor: Tensor) -> Tensor:
    """Complex times real, without turning the real factor into a complex one."""
    return torch.view_as_complex(torch.view_as_real(z) * factor[..., None])


def fft(z: Tensor) -> Tensor:
    """Orthonormal 2-D Fourier transform of the last two axes."""
    return torch.fft.fft2(z, norm="ortho")


def ifft(z: Tensor) -> Tensor:
    """Inverse of `fft`."""
    return torch.fft.ifft2(z, norm="ortho")


def shifted(probe: Tensor, fractions: Tensor) -> Tensor:
    """Modes (M, N, N), or (K, M, N, N), moved by fractions (K, 2) of a pixel as (x, y).

    (K, M, N, N). Fourier shift theorem: content at u is found at u + fraction.
    """
    return torch.fft.ifft2(torch.fft.fft2(probe) * ramp(fractions, probe.shape[-1])[:, None])


def ramp(fractions: Tensor, n: int) -> Tensor:
    """What moves an N x N image by fractions (K, 2) of a pixel, in Fourier space: (K, N, N)."""
    frequency = torch.fft.fftfreq(n, device=fractions.device)
    turn = -2 * math.pi * fractions.to(frequency)[..., None] * frequency
    x, y = torch.polar(torch.ones_like(turn), turn).unbind(1)
    return y[:, :, None] * x[:, None, :]


def patch_index(corners: Tensor, n: int, width: int) -> Tensor:
    """Flat canvas index (K * N * N,) of the patches with these corners (K, 2) as (x, y)."""
    pixel = torch.arange(n, device=corners.device)
    inside = (pixel[:, None] * width + pixel).flatten()
    return ((corners[:, 1] * width + corners[:, 0])[:, None] + inside).flatten()


def patches(obj: Tensor, corners: Tensor, n: int) -> Tensor:
    """The patches (K, N, N) of an object (H, W) under frames with these corners."""
    index = patch_index(corners, n, obj.shape[1])
    return obj.flatten().index_select(0, index).view(-1, n, n)


def exit_to_detector(obj: Tensor, corners: Tensor, probes: Tensor) -> Tensor:
    """Waves (K, M, N, N) on the detector from an object (H, W) and shifted modes (K, M, N, N)."""
    return fft(probes * patches(obj, corners, probes.shape[-1])[:, None])


def intensity(waves: Tensor) -> Tensor:
    """Expected counts (K, N, N) of waves (K, M, N, N): modes add incoherently."""
    return over_modes(abs2(waves))


def over_modes(values: Tensor) -> Tensor:
    """Sum (K, N, N) over the modes of (K, M, N, N); of one mode, itself: a sum would copy it."""
    return values[:, 0] if values.shape[1] == 1 else values.sum(1)


def add_illumination(light: Tensor, corners: Tensor, probes: Tensor) -> None:
    """Add the light of frames, |P|^2 over modes (K, M, N, N), to what a canvas (H, W) received."""
    index = patch_index(corners, probes.shape[-1], light.shape[1])
    light.view(-1).index_add_(0, index, over_modes(abs2(probes)).flatten())
