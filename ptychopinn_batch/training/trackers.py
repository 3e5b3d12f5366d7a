"""Which packages the trackers of a spec need, and whether they are there. Without torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from hpc.errors import UserError

PACKAGES = {"tensorboard": "tensorboard", "mlflow": "mlflow"}


def missing_package(names: Sequence[str]) -> UserError | None:
    """What to say where the package of a tracker cannot be imported here; None if all can be."""
    for name in names:
        if importlib.util.find_spec(PACKAGES[name]) is None:
            what = f"'{name}' is asked for, but its package is not installed"
            mend = "pip install 'ptychopinn-batch[tracking]', or take it out of the list"
            return UserError(what, where="train.track", mend=mend)
    return None
