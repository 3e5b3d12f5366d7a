"""The batch layer is light: commands such as `status` must answer at once."""

import pkgutil
import subprocess
import sys

import hpc

HEAVY = ("numpy", "torch", "zarr", "h5py", "lightning", "ptychopinn_batch")


def test_every_module_imports_without_the_application_and_without_numpy() -> None:
    modules = [m.name for m in pkgutil.walk_packages(hpc.__path__, "hpc.")]
    assert "hpc.executors.local" in modules
    lines = [
        "import importlib, sys",
        f"for name in {modules!r}: importlib.import_module(name)",
        f"print([name for name in {HEAVY!r} if name in sys.modules])",
    ]
    fresh = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], check=True, capture_output=True, text=True
    )
    assert fresh.stdout.strip() == "[]"
