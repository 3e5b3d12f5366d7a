"""The network as Ptychodus opens it: its path, until it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ptychopinn_batch.client.model import check_model


class PtychoPINN_Lightning:  # Ptychodus' name
    @staticmethod
    def load_from_checkpoint(path: Path, **configs: Any) -> Path:
        check_model(path)
        return path
