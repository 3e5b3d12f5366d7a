"""The legacy bridge: what a task works with, as PtychoPINN's global dictionary `params.cfg`.

The only package that knows `params.cfg` and PtychoPINN's configuration classes. Every stage calls
one `enter_*` function before it touches data.
"""

from ptychopinn_batch.legacy.bridge import populate
from ptychopinn_batch.legacy.entries import (
    enter,
    enter_inference,
    enter_package,
    enter_prepare,
    enter_training,
    measured,
)
from ptychopinn_batch.legacy.table import LegacySettings, Measured
from ptychopinn_batch.legacy.torchconfig import populate_torch

__all__ = [
    "LegacySettings",
    "Measured",
    "enter",
    "enter_inference",
    "enter_package",
    "enter_prepare",
    "enter_training",
    "measured",
    "populate",
    "populate_torch",
]
