"""Packaged networks as Ptychodus handles them: one `.pth` file, its manifest beside it.

A package is a folder of its own. Ptychodus keeps files: `model.pth` in the middle of others, or
`anything.pth`. The manifest of `model.pth` is `manifest.json`, that of `anything.pth` is
`anything.manifest.json`. Whether they are what they should be is for ptychopinn-batch to check.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

WEIGHTS, MANIFEST = "model.pth", "manifest.json"


def manifest_of(weights: Path) -> Path:
    """Where the manifest of a network lies."""
    name = MANIFEST if weights.name == WEIGHTS else f"{weights.stem}.{MANIFEST}"
    return weights.with_name(name)


def check_model(weights: Path) -> None:
    """FileNotFoundError where a network or its manifest is missing."""
    if not weights.is_file():
        raise FileNotFoundError(f"There is no network {weights}")
    if not manifest_of(weights).is_file():
        raise FileNotFoundError(
            f"{weights} has no manifest: copy {MANIFEST} of its package to {manifest_of(weights)}"
        )


def copy_model(source: Path, target: Path) -> None:
    """A network under another name, with all files that its manifest lists."""
    check_model(source)
    if source.resolve() == target.resolve():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    for name in _files_of(manifest_of(source)) - {WEIGHTS}:
        shutil.copyfile(source.with_name(name), target.with_name(name))
    shutil.copyfile(source, target)
    shutil.copyfile(manifest_of(source), manifest_of(target))


def _files_of(manifest: Path) -> set[str]:
    try:
        return set(json.loads(manifest.read_text())["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{manifest} is no manifest of a packaged network") from error
