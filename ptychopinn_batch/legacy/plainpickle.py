"""Pickles that cannot do anything: written of plain values alone, read without calling anything.

PtychoPINN's bundles keep two dictionaries as pickles (`*.dill`), its checkpoints are pickles as a
whole. Ours hold nothing that a reader could be made to call. When others' are read, tensors and
numpy arrays are rebuilt, and whatever else they name becomes an `Inert` object: no code of theirs
runs, no class of theirs is looked up.
"""

from __future__ import annotations

import collections
import io
import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

PLAIN = (bool, int, float, str)
PROTOCOL = 4


class Inert:
    """Stands for an object of a class that is not looked up."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Taken, and forgotten."""

    def __setstate__(self, state: Any) -> None:
        """Taken, and forgotten."""

    def append(self, item: Any) -> None:
        """Taken, and forgotten."""

    def extend(self, items: Any) -> None:
        """Taken, and forgotten."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Taken, and forgotten."""

    def __call__(self, *args: Any, **kwargs: Any) -> Inert:
        return self


def dump_plain(value: Any) -> bytes:
    """A pickle of dictionaries, lists, tuples and plain values; TypeError for anything else."""
    _check_plain(value)
    return pickle.dumps(value, protocol=PROTOCOL)


def load_inert(data: bytes) -> Any:
    """What a pickle holds, rebuilt without calling any code that it names.

    Raises pickle.UnpicklingError where it is damaged.
    """
    try:
        return Unpickler(io.BytesIO(data)).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise pickle.UnpicklingError(str(error) or type(error).__name__) from error


class Unpickler(pickle.Unpickler):
    """Rebuilds tensors, arrays and containers; everything else becomes `Inert`."""

    def find_class(self, module: str, name: str) -> Any:
        return _allowed().get((module, name), Inert)


def load(file: BinaryIO, **kwargs: Any) -> Any:
    """`pickle.load` of this module: what torch asks of a pickle module."""
    return Unpickler(file, **kwargs).load()


def _check_plain(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _check_plain(key)
            _check_plain(item)
    elif type(value) in (list, tuple):
        for item in value:
            _check_plain(item)
    elif value is not None and type(value) not in PLAIN:
        raise TypeError(f"{type(value).__name__} is no plain value")


def _latin(text: str, encoding: str) -> bytes:
    """What pickles of old protocols call for bytes; no other codec, some of which inflate."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"codec {encoding!r}")
    return text.encode("latin1")


def _allowed() -> dict[tuple[str, str], Callable[..., Any]]:
    import numpy as np
    import torch

    reconstruct, scalar = _numpy_functions()
    numpy_names = {"_reconstruct": reconstruct, "scalar": scalar}
    modules = ("numpy.core.multiarray", "numpy._core.multiarray")
    utils = ("_rebuild_tensor_v2", "_rebuild_parameter")
    return {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("_codecs", "encode"): _latin,
        ("builtins", "set"): set,
        ("builtins", "frozenset"): frozenset,
        ("builtins", "complex"): complex,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("torch", "Size"): torch.Size,
        **{(module, name): f for module in modules for name, f in numpy_names.items()},
        **{("torch._utils", name): getattr(torch._utils, name) for name in utils},
    }


def _numpy_functions() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """numpy's own functions that rebuild arrays and scalars, wherever they live."""
    import numpy as np

    array, number = np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]
    assert callable(array)
    assert callable(number)
    return array, number
