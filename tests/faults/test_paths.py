"""Any name of a folder is a name, and no secret of the user's gets into what a run leaves."""

import os
import subprocess
from datetime import timedelta

import pytest

from hpc.paths import RunPaths
from hpc.resources import Resources
from hpc.slurm.arrays import Shape
from hpc.slurm.profile import Profile
from hpc.slurm.script import steward_script, task_script
from tests.faults.place import SPEC, Place

NAMES = {
    "shell": "a b & c; touch pwned $(touch pwned) `touch pwned` | 'x' \"y\" *? [a] {b} ~ #! \\ %j",
    "unicode": "München 北京 — Ω\u0301 🔬",
    "long": "n" * 200,
    "option": "--help",
    "line": "two\nlines\tand tabs",
}
SECRET = "hunter2-0123456789"


@pytest.mark.parametrize("name", ["shell", "unicode", "long"])
def test_a_run_comes_out_in_a_folder_of_any_name(tmp_path, expected, name):
    place = Place(tmp_path / NAMES[name])
    done = place.submit()
    assert done.code == 0, done.text
    assert place.result() == expected
    assert "Nothing to do" in place.submit().text
    assert place.call("status", "small").code == 0
    assert list(tmp_path.rglob("pwned")) == []


@pytest.mark.parametrize("name", ["shell", "unicode", "long"])
def test_a_script_for_slurm_hands_a_folder_of_any_name_to_its_worker(tmp_path, name):
    """The script is run by a real bash; `srun` and Python tell what they are given."""
    run = RunPaths(tmp_path / NAMES[name], "demo")
    said = tmp_path / "said"
    tell = f'for word in "$@"; do printf "%s\\0" "$word"; done >> {said}\n'
    for program in ("srun", "tell"):
        path = tmp_path / "bin" / program
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/bash\n{tell}")
        path.chmod(0o755)
    profile = Profile(version=1, python=f"{tmp_path}/bin/tell")
    room = Resources(time=timedelta(minutes=1), mem_gb=0.1, cpus=1, gpus=0)
    texts = [
        task_script(run, profile, stage="train", token="t", shape=Shape(room), count=1, parallel=1),
        steward_script(run, profile, token="t", resources=room, after=("1",)),
    ]
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    for text in texts:
        said.unlink(missing_ok=True)
        subprocess.run(["bash", "-c", text], env=environment, cwd=tmp_path, check=True)
        words = said.read_text().split("\0")
        assert str(run.root) in words
        assert words[words.index("--runs") + 1] == str(run.root)
    assert list(tmp_path.rglob("pwned")) == []


def test_a_folder_with_line_breaks_in_its_name_is_refused(tmp_path):
    """A line of a job's script would end there, and the next be a command."""
    place = Place(tmp_path)
    refused = place.submit(lambda: None, "--runs", NAMES["line"])
    assert refused.code == 2
    assert "line breaks or other control characters" in refused.text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["output.txt", "small.yaml"]


@pytest.mark.parametrize("name", [*NAMES.values(), "", ".", "..", "a/b", "x" * 65, "a\x00b"])
@pytest.mark.parametrize("key", ["name", "scans.0.name"])
def test_a_name_that_could_be_taken_for_something_else_is_refused(tmp_path, name, key):
    place = Place(tmp_path)
    value = name.replace("'", "''").replace("\x00", "\\0")
    refused = place.call("validate", "small.yaml", "--set", f"{key}='{value}'")
    assert refused.code == 2, refused
    assert "Traceback" not in refused.text
    assert key in refused.text
    assert not place.run.root.exists()


def test_no_variable_of_the_environment_gets_into_what_a_run_leaves(tmp_path, expected):
    refused = Place(tmp_path / "refused", SPEC.replace("steps: 1", "steps: 0"))
    place = Place(tmp_path / "done")

    def secret() -> None:
        os.environ["MY_TOKEN"] = os.environ["AWS_SECRET_ACCESS_KEY"] = SECRET

    assert refused.submit(secret).code == 2
    assert place.submit(secret).code == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 30
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
