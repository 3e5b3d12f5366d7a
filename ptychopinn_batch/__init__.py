"""Ptychographic reconstruction in batches: the application on top of `hpc`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpc.errors import UserError
    from ptychopinn_batch.api import export, load_model, load_scan, reconstruct, refine, train

__version__ = "0.1.0"
__all__ = [
    "UserError",
    "__version__",
    "export",
    "load_model",
    "load_scan",
    "reconstruct",
    "refine",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a verb only when it is asked for: commands such as `status` answer at once."""
    if name == "UserError":
        from hpc.errors import UserError

        return UserError
    if name in __all__:
        from ptychopinn_batch import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
