"""The weights of a `cnn` network under the names that PtychoPINN's PyTorch code has for them.

Upstream always has a border branch, and always as wide: what a network of ours lacks of it is
zeros, which change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from hpc.errors import UserError
from ptychopinn_batch.jobspec import CnnSettings

if TYPE_CHECKING:
    from torch import Tensor

OURS, THEIRS = "autoencoder.", "model.autoencoder."
DECODERS = (("amplitude", "decoder_amp", "amp"), ("phase", "decoder_phase", "phase"))
PLANE = (3, 3)


class Pair(NamedTuple):
    """A tensor by both names. shape: upstream's, where it is not simply that of ours."""

    ours: str
    theirs: str
    shape: tuple[int, ...] | None = None
    idle: bool = False  # ours does not have it


def to_upstream(weights: Mapping[str, Tensor], settings: CnnSettings) -> dict[str, Tensor]:
    """Our weights by upstream's names, padded with zeros to upstream's shapes."""
    import torch

    named: dict[str, Tensor] = {}
    for pair in pairs(settings):
        if pair.idle:
            assert pair.shape is not None
            named[pair.theirs] = torch.zeros(pair.shape)
        else:
            own = weights[pair.ours].detach().cpu()
            named[pair.theirs] = own.clone() if pair.shape is None else _padded(own, pair.shape)
    return named


def from_upstream(
    weights: Mapping[str, Tensor], settings: CnnSettings, where: str
) -> dict[str, Tensor]:
    """Upstream's weights by our names, matched one to one.

    `weights` are those below `THEIRS` alone. Raises UserError where one is missing, unknown, of
    another shape, or not zero where our network has nothing.
    """
    known = pairs(settings)
    missing = {pair.theirs for pair in known} - weights.keys()
    unknown = weights.keys() - {pair.theirs for pair in known}
    for names, what in ((missing, "lacks"), (unknown, "holds an unknown")):
        if names:
            raise UserError(f"this network {what} {min(names)}", where=where, mend=_MEND)
    expected = _expected_shapes(settings)
    return {
        pair.ours: _cut(weights[pair.theirs], expected[pair.ours], pair, where)
        for pair in known
        if not pair.idle
    }


def pairs(settings: CnnSettings) -> tuple[Pair, ...]:
    """Every tensor of upstream's autoencoder."""
    return tuple(_tensors(settings))


def _tensors(settings: CnnSettings) -> Iterator[Pair]:
    from ptychopinn_batch.networks.autoencoder import Layout

    layout = Layout.of(settings)
    yield from _encoder(len(layout.encoder), settings)
    for ours, theirs, head in DECODERS:
        for k in range(len(layout.decoder)):
            for convolution, place in (("conv1", 5 * k), ("conv2", 5 * k + 2)):
                yield from _layer(f"{ours}.trunk.{place}", f"{theirs}.blocks.{k}.{convolution}")
        yield from _layer(f"{ours}.centre", f"{theirs}.{head}.conv1")
        yield from _border(ours, f"{theirs}.{head}", layout.outer, settings)


def _encoder(blocks: int, settings: CnnSettings) -> Iterator[Pair]:
    step = 6 if settings.cbam else 5  # modules of a block, the attention between its last two
    for k in range(blocks):
        first, block = step * k, f"encoder.blocks.{k}"
        yield from _layer(f"encoder.{first}", f"{block}.conv1")
        yield from _layer(f"encoder.{first + 2}", f"{block}.conv2")
        if settings.cbam:
            gate, attention = f"encoder.{first + 4}", f"{block}.attention"
            yield from _layer(f"{gate}.channels.0", f"{attention}.ChannelGate.mlp.1")
            yield from _layer(f"{gate}.channels.2", f"{attention}.ChannelGate.mlp.3")
            compress = f"{attention}.SpatialGate.compress.weight"
            yield Pair(f"{OURS}{gate}.pixels.weight", f"{THEIRS}{compress}")


def _border(ours: str, theirs: str, outer: int, settings: CnnSettings) -> Iterator[Pair]:
    width, outputs = 32 * settings.filters_scale, _outputs(ours, settings)
    for place, name, channels in (
        (0, "conv_up_block.conv1", (width, outer)),
        (2, "conv_up_block.conv2", (width, width)),
        (5, "conv2", (outputs, width)),
    ):
        pair = f"{OURS}{ours}.border.{place}", f"{THEIRS}{theirs}.{name}"
        for part, shape in (("weight", (*channels, *PLANE)), ("bias", channels[:1])):
            yield Pair(f"{pair[0]}.{part}", f"{pair[1]}.{part}", shape, not settings.probe_big)


def _outputs(decoder: str, settings: CnnSettings) -> int:
    return 1 if decoder == "amplitude" and settings.shared_amplitude else settings.group


def _layer(ours: str, theirs: str) -> Iterator[Pair]:
    for part in ("weight", "bias"):
        yield Pair(f"{OURS}{ours}.{part}", f"{THEIRS}{theirs}.{part}")


def _expected_shapes(settings: CnnSettings) -> dict[str, tuple[int, ...]]:
    import torch

    from ptychopinn_batch.networks.cnn import Cnn

    with torch.device("meta"):
        network = Cnn(settings)
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def _padded(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    larger = tensor.new_zeros(shape)
    larger[tuple(slice(side) for side in tensor.shape)] = tensor
    return larger


def _cut(tensor: Tensor, shape: tuple[int, ...], pair: Pair, where: str) -> Tensor:
    box = tuple(slice(side) for side in shape)
    theirs = pair.shape or shape
    if tuple(tensor.shape) != theirs:
        what = f"{pair.theirs} is {tuple(tensor.shape)}, expected {theirs}"
        raise UserError(what, where=where, mend=_MEND)
    own = tensor[box].float().clone()
    if theirs != shape and int(tensor.count_nonzero()) != int(own.count_nonzero()):
        what = f"{pair.theirs} is wider than the network of ours that it comes nearest to"
        raise UserError(what, where=where, mend=_MEND)
    return own


_MEND = "Only PtychoPINN's convolutional network without changes can be read"
