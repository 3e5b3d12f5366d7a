"""The scripts of the page about Ptychodus, in the real one: with PTYCHODUS_PYTHON; CI sets it."""

import os
import subprocess
import sys

import pytest

from tests.ptychopinn_batch import one_process

from .markdown import DOCS, blocks

BEFORE = """\
from pathlib import Path
from ptychodus.model import ModelCore
"""
SETTINGS = f"""\
[Processing]
algorithm = ptychopinn-batch_network
[PtychoPINNBatch]
command = {sys.executable} {one_process.__file__}
steps = 1
"""


@pytest.fixture
def script(desk):
    """Runs a script in the folder of the page, where a scan of Ptychodus is."""
    python = os.environ.get("PTYCHODUS_PYTHON")
    if python is None:
        pytest.skip("PTYCHODUS_PYTHON names no interpreter that has Ptychodus")
    page = (DOCS / "ptychodus.md").read_text()
    here = desk(page)
    here.put("scan")

    def run(number, before, after=""):
        code = [block.text for block in blocks(page) if block.language == "python"][number]
        (here.folder / "script.py").write_text(f"{BEFORE}{before}\n{code}\n{after}\n")
        given = [python, "script.py"]
        done = subprocess.run(given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return here.folder

    return run


def test_a_scan_is_exported(script, kept):
    """From frames as a detector left them, here in a file of NumPy, and a product."""
    before = (
        "core = ModelCore().__enter__()\n"
        f"path = Path({str(kept.place / 'scan_0042' / 'frames.npy')!r})\n"
        f"product_path = Path({str(kept.place / 'scan' / 'product.h5')!r})\n"
        "Path('scan/diffraction.h5').unlink(), Path('scan/product.h5').unlink()\n"
    )
    folder = script(0, before, after="core.__exit__(None, None, None)")
    assert {path.name for path in (folder / "scan").iterdir()} == {"diffraction.h5", "product.h5"}


@pytest.mark.timeout(1200)
def test_a_scan_is_reconstructed(script):
    folder = script(1, f"Path('settings.ini').write_text({SETTINGS!r})")
    assert (folder / "found.h5").stat().st_size > 0
