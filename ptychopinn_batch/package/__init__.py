"""Model packages: a folder of `model.pth` (tensors alone) and the `manifest.json` that explains it.

Nothing in a package is a pickle of code: weights load with `weights_only=True`, all else is JSON.
Loading checks every hash and is strict; a package that is not what its manifest says is refused.
Only what touches weights imports torch.
"""

from ptychopinn_batch.package.compare import Comparison, compare_packages
from ptychopinn_batch.package.folder import (
    LoadedModel,
    copy_package,
    load_package,
    package_files,
    package_identity,
    read_manifest,
    refuse_others,
    save_package,
    settings_of,
)
from ptychopinn_batch.package.formats import (
    EXTRA_FILES,
    PHOTONS,
    add_formats,
    verify_package,
    write_format,
)
from ptychopinn_batch.package.manifest import MANIFEST, WEIGHTS, Manifest, PackedFile, Training
from ptychopinn_batch.package.registry import (
    Registry,
    load_model,
    package_here,
    resolve_pretrained,
)
from ptychopinn_batch.package.weights import load_weights

__all__ = [
    "EXTRA_FILES",
    "MANIFEST",
    "PHOTONS",
    "WEIGHTS",
    "Comparison",
    "LoadedModel",
    "Manifest",
    "PackedFile",
    "Registry",
    "Training",
    "add_formats",
    "compare_packages",
    "copy_package",
    "load_model",
    "load_package",
    "load_weights",
    "package_files",
    "package_here",
    "package_identity",
    "read_manifest",
    "refuse_others",
    "resolve_pretrained",
    "save_package",
    "settings_of",
    "verify_package",
    "write_format",
]
