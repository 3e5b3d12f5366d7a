"""Compiling the parts of a network that are plain layers, where there is a compiler.

The physics around them is complex arithmetic, which torch's compiler leaves as it is. Regions have
many shapes: code is made for all of them at once. Compiled code rounds otherwise than the layers
themselves, no more than another processor does.
"""

from __future__ import annotations

import logging

import torch
from torch import nn

BACKEND = "inductor"

_log = logging.getLogger(__name__)


def compile_layers(network: nn.Module) -> bool:
    """Have a network's children compiled when they are first used; False if that is impossible.

    Names of weights stay as they are.
    """
    reason = _without_compiler()
    if reason is not None:
        _log.warning("the network is not compiled: %s", reason)
        return False
    torch._dynamo.config.suppress_errors = True  # what cannot be compiled is run as it is
    for child in network.children():
        child.compile(dynamic=True, backend=BACKEND)
    return True


def _without_compiler() -> str | None:
    """Why nothing can be compiled here, found out by trying; None if it can."""
    try:
        torch.compile(_tried, backend=BACKEND)(torch.zeros(2))
    except Exception as error:
        reason = getattr(error, "inner_exception", error)  # torch's own names the backend only
        first_line = str(reason).strip().split("\n")[0]
        return f"{type(reason).__name__}: {first_line}"
    return None


def _tried(values: torch.Tensor) -> torch.Tensor:
    return values.exp() + 1
