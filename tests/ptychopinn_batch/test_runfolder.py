"""The folder of a run is that of one spec."""

import pytest

from hpc.paths import RunPaths
from ptychopinn_batch.jobspec import JobSpec
from ptychopinn_batch.runfolder import check_folder

SPEC = JobSpec.model_validate({"version": 1, "name": "demo", "scans": [{"path": "a.npz"}]})


@pytest.mark.parametrize("text", ["", "{", '{"scans": 3}'])
def test_a_spec_that_cannot_be_read_is_not_overwritten(tmp_path, refusal_of, text):
    run = RunPaths(tmp_path, "demo")
    run.create()
    run.resolved.write_text(text)
    assert refusal_of(check_folder, run, SPEC) == (
        "this file is damaged",
        str(run.resolved),
        "Remove this file if the run is of this spec; else choose another --runs folder",
    )
