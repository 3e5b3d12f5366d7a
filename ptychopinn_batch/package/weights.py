"""Weights of a network as files: tensors by name, and nothing that could be run."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from hpc.errors import StateError, UserError
from ptychopinn_batch.package.manifest import RENEW

if TYPE_CHECKING:
    from torch import Tensor

    from ptychopinn_batch.networks.base import Network

SAFETENSORS = "model.safetensors"

Weights: TypeAlias = "dict[str, Tensor]"


def weights_of(network: Network) -> Weights:
    """A copy of a network's weights and buffers on the CPU."""
    return {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}


def save_weights(weights: Weights, path: Path) -> None:
    """A state dict that loads with `weights_only=True`."""
    import torch

    torch.save(weights, path)


def read_weights(path: Path) -> Weights:
    """The state dict in a file; StateError where it holds anything but tensors by name."""
    import torch

    try:
        weights: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise StateError("this file is missing", where=str(path), mend=RENEW) from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        what = "this file holds no plain tensors"
        raise StateError(what, where=str(path), mend=RENEW) from error
    if not isinstance(weights, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in weights.items()
    ):
        raise StateError("this file is no state dict", where=str(path), mend=RENEW)
    return weights


def save_safetensors(weights: Weights, path: Path) -> None:
    """The same tensors for readers without torch. UserError where safetensors is not installed."""
    contiguous = {name: tensor.contiguous() for name, tensor in weights.items()}
    # Not by its own save_file, whose files nobody but their owner can read.
    path.write_bytes(_safetensors().save(contiguous, metadata={"format": "pt"}))


def read_safetensors(path: Path) -> Weights:
    """The tensors of a safetensors file; StateError where it is damaged."""
    library = _safetensors()
    try:
        weights: Weights = library.load_file(path)
    except Exception as error:  # the library has an exception of its own for damage
        what = f"this is no whole safetensors file ({error})"
        raise StateError(what, where=str(path), mend=RENEW) from error
    return weights


def load_weights(network: Network, path: Path) -> None:
    """Give a network the weights of a file; StateError unless they fit it one to one."""
    weights = read_weights(path)
    check_fit(weights, network.state_dict(), str(path))
    network.load_state_dict(weights, strict=True)


def check_fit(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str) -> None:
    """Raise StateError unless both have the same names, shapes and types."""
    faults = sorted(_misfits(weights, expected))
    if faults:
        more = f", and {len(faults) - 1} faults more" if len(faults) > 1 else ""
        what = f"these weights do not fit the network: the file {faults[0]}{more}"
        raise StateError(what, where=where, mend=RENEW)


def _misfits(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Iterator[str]:
    yield from (f"lacks {name}" for name in expected.keys() - weights.keys())
    yield from (f"holds an unknown {name}" for name in weights.keys() - expected.keys())
    for name in expected.keys() & weights.keys():
        found, wanted = (_kind(values[name]) for values in (weights, expected))
        if found != wanted:
            yield f"has {name} as {found}, expected {wanted}"
        elif not weights[name].isfinite().all():
            yield f"has {name} with numbers that are NaN or infinite"


def _kind(tensor: Tensor) -> str:
    dtype, layout = (str(what).removeprefix("torch.") for what in (tensor.dtype, tensor.layout))
    more = "" if layout == "strided" else f" ({layout})"
    return f"{tuple(tensor.shape)} of {dtype}{more}{' without values' if tensor.is_meta else ''}"


def _safetensors() -> ModuleType:
    try:
        import safetensors.torch
    except ImportError:
        what = "the format safetensors needs a package that is not installed"
        mend = "Run: pip install 'ptychopinn-batch[safetensors]', or leave the format out"
        raise UserError(what, where="safetensors", mend=mend) from None
    return safetensors.torch
