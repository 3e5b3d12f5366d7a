"""PtychoPINN's published autoencoder: diffraction amplitudes in, complex object patches out.

An encoder, then two decoders of their own for amplitude and phase; no skip connections. Widths,
heads and activations follow the layer tables of three lineages of that program: `tf` (Hoidn, Mishra
and Mehta, Sci. Rep. 13, 22789, 2023), `torch` (arXiv 2509.25104, 2025) and `head` (its main branch
of 2026). Written anew from those tables; the numbers of parameters agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptychopinn_batch.jobspec import CnnSettings
from ptychopinn_batch.networks.lanes import lanes, separate_all, start

BOTTLENECK = 8  # pixels: the encoder halves a frame as long as it stays at least so large
SWISH_IS_ONE = 1.2784645  # where swish gives 1
FAINT = 0.1  # factor on the last layers' first weights
UNIT_SIGMOID_IS_NEARLY_ONE = 2.0  # 0.88; it never reaches 1


@dataclass(frozen=True)
class Last:
    """Last function of a decoder; for the input `start` it gives `clear`, its part of a clear
    sample. Biases start there."""

    function: Callable[[Tensor], Tensor]
    start: float
    clear: float = 1.0

    def __call__(self, x: Tensor) -> Tensor:
        return self.function(x)


def doubled_sigmoid(x: Tensor) -> Tensor:
    """A sigmoid up to 2: the probe carries the scan's mean dose, so |object| scatters around 1."""
    return 2 * torch.sigmoid(x)


def any_phase(x: Tensor) -> Tensor:
    """From -pi to pi."""
    return math.pi * torch.tanh(x)


def any_part(x: Tensor) -> Tensor:
    """A real or imaginary part, from -2 to 2: every phase of amplitudes up to 2."""
    return 2 * torch.tanh(x)


AMPLITUDES = {
    "sigmoid": Last(doubled_sigmoid, 0.0),
    "unit_sigmoid": Last(torch.sigmoid, UNIT_SIGMOID_IS_NEARLY_ONE),
    "swish": Last(F.silu, SWISH_IS_ONE),
    "softplus": Last(F.softplus, math.log(math.e - 1)),
    "relu": Last(F.relu, 1.0),
}
PHASE = Last(any_phase, 0.0, clear=0.0)
REAL, IMAGINARY = Last(any_part, math.atanh(0.5)), Last(any_part, 0.0, clear=0.0)


def _swish(clear: float) -> Last:
    return Last(F.silu, SWISH_IS_ONE if clear else 0.0, clear)


@dataclass(frozen=True)
class Layout:
    """Channels of every part."""

    encoder: tuple[int, ...]
    decoder: tuple[int, ...]
    outer: int  # channels of the decoder kept aside for the border of a patch
    outer_width: int
    border: bool  # whether there is a border at all
    masked: bool  # whether the border branch is kept out of the centre
    swish: bool  # whether its last function is swish, whatever that of the centre is

    @classmethod
    def of(cls, settings: CnnSettings) -> Layout:
        """The layer table of a lineage; a scale of 2 is the published one."""
        scale, stages, tf = settings.filters_scale, halvings(settings.n), settings.lineage == "tf"
        swish = settings.border_activation == "swish"
        outer = {"tf": 4, "torch": 4 * scale, "head": settings.group}[settings.lineage]
        return cls(
            encoder=tuple(scale * 128 >> k for k in reversed(range(stages))),
            decoder=tuple(scale * 32 << k for k in reversed(range(stages - 1))),
            outer=outer,
            outer_width=max(1, 2048 * scale // settings.n) if tf else 32 * scale,
            border=settings.probe_big,
            masked=settings.lineage != "torch" or not swish,
            swish=swish,
        )


def halvings(n: int) -> int:
    """How often the encoder halves a frame of side n; never an odd side."""
    return min((n & -n).bit_length(), (n // BOTTLENECK).bit_length()) - 1


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _pair(inputs: int, outputs: int) -> list[nn.Module]:
    return [_convolution(inputs, outputs), nn.ReLU(), _convolution(outputs, outputs), nn.ReLU()]


def _encoder(inputs: int, widths: tuple[int, ...], *, attention: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += _pair(inputs, width)
        layers += [Attention(width)] if attention else []
        layers.append(nn.MaxPool2d(2))
        inputs = width
    return nn.Sequential(*layers)


def _growing(inputs: int, *widths: int) -> nn.Sequential:
    """Two convolutions for each width, then twice the side."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [*_pair(inputs, width), nn.Upsample(scale_factor=2, mode="nearest")]
        inputs = width
    return nn.Sequential(*layers)


class Attention(nn.Module):
    """A gate for each channel, then one for each pixel (CBAM; Woo et al., ECCV 2018)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = max(1, width // 16)
        self.channels = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.pixels = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.channels(x.mean((2, 3))) + self.channels(x.amax((2, 3)))
        x = x * torch.sigmoid(gate)[..., None, None]
        summary = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.pixels(summary))


class Decoder(nn.Module):
    """From the bottleneck to images of N x N: a centre of half that side, and a border around it.

    PtychoPINN's code ends the border in swish, in the phase too, which then is never below -0.28;
    its papers write the function of the centre, which is what happens here unless asked otherwise.
    """

    def __init__(self, layout: Layout, outputs: int, last: Last) -> None:
        super().__init__()
        self.last, self.outer, self.masked = last, layout.outer, layout.masked
        self.border_last = _swish(last.clear) if layout.swish else last
        self.trunk = _growing(layout.encoder[-1], *layout.decoder)
        self.centre = _convolution(layout.decoder[-1] - layout.outer, outputs)
        self.border = _growing(layout.outer, layout.outer_width) if layout.border else None
        if self.border is not None:
            self.border.append(_convolution(layout.outer_width, outputs))

    def start_clear(self) -> None:
        """Set the last layers so that the image starts near that of a clear sample."""
        _start(self.centre, self.last.start)
        if self.border is not None:
            _start(self.border[-1], self.border_last.start if self.masked else 0.0)

    def separate(self, frames: int) -> None:
        """Begin with every frame of a group on a lane of its own."""
        inner = lanes(self.centre.in_channels, frames)
        outer = lanes(self.outer, frames)
        separate_all(self.trunk, frames, torch.cat([inner, outer]))
        separate_all([self.centre], frames)
        if self.border is not None:
            separate_all(self.border, frames)

    def forward(self, bottleneck: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, outputs, N, N)."""
        x = self.trunk(bottleneck)
        margin = x.shape[-1] // 2
        inner, outer = x.split([x.shape[1] - self.outer, self.outer], 1)
        image = F.pad(self.last(self.centre(inner)), (margin, margin, margin, margin))
        if self.border is None:
            return image
        border = self.border_last(self.border(outer))
        if self.masked:
            border = border * _around(border, margin)
        return image + border


def _around(image: Tensor, margin: int) -> Tensor:
    """1 on the outer `margin` pixels (H, W) of an image, 0 inside."""
    mask = image.new_ones(image.shape[-2:])
    mask[margin:-margin, margin:-margin] = 0
    return mask


def _start(layer: nn.Module, bias: float) -> None:
    """Small weights: a network that is not trained yet shows nothing but a clear sample."""
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    with torch.no_grad():
        layer.weight *= FAINT
    nn.init.constant_(layer.bias, bias)


class Autoencoder(nn.Module):
    """Scaled amplitudes (B, C, N, N), DC in the middle -> patches (B, C, N, N) complex64."""

    def __init__(self, settings: CnnSettings) -> None:
        super().__init__()
        layout, frames = Layout.of(settings), settings.group
        self.encoder = _encoder(frames, layout.encoder, attention=settings.cbam)
        self.polar = settings.output == "amplitude_phase"
        if self.polar:
            amplitudes = 1 if settings.shared_amplitude else frames
            last = AMPLITUDES[settings.amplitude_activation]
            self.amplitude = Decoder(layout, amplitudes, last)
            self.phase = Decoder(layout, frames, PHASE)
        else:
            self.real = Decoder(layout, frames, REAL)
            self.imaginary = Decoder(layout, frames, IMAGINARY)
        self.apply(start)
        separate_all(self.encoder, frames)
        for decoder in self.decoders:
            decoder.start_clear()
            decoder.separate(frames)
        # A third faster on a CPU. The stubs of torch lack this form of `to`.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def decoders(self) -> tuple[Decoder, Decoder]:
        """Of amplitude and phase, or of real and imaginary part."""
        return (self.amplitude, self.phase) if self.polar else (self.real, self.imaginary)

    def forward(self, amplitudes: Tensor) -> Tensor:
        bottleneck = self.encoder(amplitudes.contiguous(memory_format=torch.channels_last))
        first, second = (decoder(bottleneck).float() for decoder in self.decoders)
        if self.polar:
            first, second = first * second.cos(), first * second.sin()
        return torch.complex(first, second)
