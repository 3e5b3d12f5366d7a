"""Ptychographic reconstruction in batches: the application on top of `hpc`."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "load_model"]


def __getattr__(name: str) -> Any:
    """Import torch only when a model is asked for: commands such as `status` answer at once."""
    if name == "load_model":
        from ptychopinn_batch.package import load_model

        return load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
