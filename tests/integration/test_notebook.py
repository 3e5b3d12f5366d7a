"""The notebook of the documentation, as somebody would run it: cell by cell, in its own folder."""

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "first_scan.ipynb"
LONGEST = 10  # lines, of what is no import


def cells():
    """The source of every code cell."""
    notebook = json.loads(NOTEBOOK.read_text())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.fixture
def beside_the_data(tmp_path, monkeypatch):
    """A copy of the folders that the notebook knows of."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    mpl.use("agg")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_its_cells_reconstruct_the_shipped_scan(beside_the_data):
    names = {}
    for number, source in enumerate(cells()):
        exec(compile(source, f"{NOTEBOOK.name}, cell {number}", "exec"), names)
    first, better = names["result"].metrics, names["better"].metrics
    assert first.frames == 516
    assert first.R / first.R_empty < 0.5
    assert better.R / better.R_empty < 0.5
    assert np.isfinite(names["better"].object[names["better"].seen]).all()
    written = sorted(Path("first_scan").iterdir())
    assert [path.name for path in written] == [
        "amplitude.png",
        "phase.png",
        "product.npz",
        "train.npz",
    ]
    assert all(path.stat().st_size > 0 for path in written)


def test_it_is_short():
    lines = [line for source in cells() for line in source.splitlines() if line.strip()]
    assert len([line for line in lines if not line.startswith("import ")]) <= LONGEST


def test_no_output_is_kept_in_it():
    notebook = json.loads(NOTEBOOK.read_text())
    assert all(not cell.get("outputs") for cell in notebook["cells"])
