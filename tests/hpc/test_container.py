"""Containers: what a profile may say of one, the command that enters it, and what is refused."""

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from hpc.container import IMAGE_DIGEST, Container, inside, pinned, python_inside
from hpc.errors import UserError
from hpc.executors.base import worker_command
from hpc.fsio import sha256_file
from hpc.paths import RunPaths
from hpc.probe import check_container
from hpc.resources import Resources
from hpc.slurm.arrays import Shape
from hpc.slurm.profile import Profile
from hpc.slurm.script import steward_script, task_script

RUN = RunPaths(Path("/scratch/runs"), "demo")
SIF = b"#!/usr/bin/env run-singularity\n\0SIF_MAGIC\0" + bytes(64)
DIGEST = "ab" * 32
FULL = Container(
    image="/images/p.sif",
    binds=("/data", "/raw:/input:ro"),
    nv=True,
    options=("--writable-tmpfs",),
    sha256=DIGEST,
)


def container(**keys):
    return Container.model_validate({"image": "p.sif", **keys})


def mistakes(**keys):
    with pytest.raises(ValidationError) as caught:
        container(**keys)
    return [error.get("ctx", {}).get("what", error["msg"]) for error in caught.value.errors()]


@pytest.fixture
def image(tmp_path):
    """A file that begins as an image does."""
    path = tmp_path / "p.sif"
    path.write_bytes(SIF)
    return path


@pytest.fixture
def apptainer(tmp_path, monkeypatch):
    """A program that takes apptainer's options, and runs the command on the host instead."""
    program = tmp_path / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >>{tmp_path}/calls\n'
        'while [ "${1%.sif}" = "$1" ]; do shift; done\n'
        f'shift 2\nexec {sys.executable} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def check(found, runs, paths=(), *, version="1.2.3"):
    """As a submit does it, for a program whose version is pytest's where nothing else is said."""
    check_container(found, runs, paths, program="pytest", version=version, where="hall.yaml")


def test_the_command_that_enters_it_binds_the_runs_and_says_which_image_it_is():
    assert inside(FULL, RUN.root) == (
        *("apptainer", "exec", "--nv"),
        *("--bind", "/data", "--bind", "/raw:/input:ro", "--bind", "/scratch/runs"),
        *("--env", f"{IMAGE_DIGEST}={DIGEST}", "--writable-tmpfs", "/images/p.sif"),
    )


def test_a_worker_runs_the_images_python_and_nothing_of_the_working_folder():
    command = worker_command(RUN, "train-a", FULL)
    assert command[: len(inside(FULL, RUN.root))] == inside(FULL, RUN.root)
    assert command[-10:-6] == ("python", "-I", "-m", "hpc.worker")


def test_jobs_run_inside_with_slurms_commands_at_hand():
    profile = Profile(version=1, container=FULL, setup=("module load apptainer",))
    one = Resources(time="00:01:00", mem_gb=1.0, cpus=1, gpus=0)
    shape = Shape(one, ())
    task = task_script(
        RUN, profile, stage="train", token="0123456789", shape=shape, count=1, parallel=1
    )
    steward = steward_script(RUN, profile, token="0123456789", resources=one, after=("7",))
    for script in (task, steward):
        assert "--bind /:/host" in script
        assert "--cleanenv" not in script
    assert "/images/p.sif python -I -u -m hpc.slurm.worker " in task
    assert "/images/p.sif python -I -m hpc.slurm.steward " in steward


@pytest.mark.parametrize("word", ["--cleanenv", "-e", "--containall", "-C", "--pid", "-c"])
def test_options_that_would_cut_tasks_off_are_refused(word):
    assert "cannot be used" in mistakes(options=[word])[0]


def test_options_with_a_key_of_their_own_are_refused():
    assert mistakes(options=["--nv"]) == ["--nv is set elsewhere"]
    assert mistakes(options=["--bind=/data"]) == ["--bind is set elsewhere"]


@pytest.mark.parametrize("bind", ["/a,/b", "/a b", "/a:/b:rx", ""])
def test_what_apptainer_would_take_for_several_binds_is_refused(bind):
    assert mistakes(binds=[bind])


def test_a_container_brings_its_own_python():
    for keys in ({"python": "python3"}, {"stages": {"train": {"python": "python3"}}}):
        with pytest.raises(ValidationError, match="the container brings its own Python"):
            Profile.model_validate({"version": 1, "container": {"image": "p.sif"}, **keys})


def test_a_profile_with_a_container_is_the_same_after_json():
    profile = Profile(version=1, container=FULL)
    assert Profile.model_validate_json(profile.model_dump_json()) == profile


def test_an_image_is_pinned_by_its_full_path_and_what_it_holds(image):
    found = pinned(container(), image.parent, "hall.yaml")
    assert (found.image, found.sha256) == (str(image), sha256_file(image))
    assert pinned(found, Path("/elsewhere"), "hall.yaml") == found


def test_another_image_in_its_place_is_refused(image):
    found = pinned(container(), image.parent, "hall.yaml")
    image.write_bytes(SIF + b"newer")
    with pytest.raises(
        UserError,
        match=rf"^hall.yaml: .*p\.sif is not the image that is meant: its "
        rf"SHA-256 is {sha256_file(image)}\. Get that one back, or change sha256",
    ):
        pinned(found, image.parent, "hall.yaml")


def test_an_image_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"there is no image .*p\.sif\. Mend the path, or build"):
        pinned(container(), tmp_path, "hall.yaml container.image")


def test_an_image_that_may_not_be_read(image, monkeypatch):
    def refuse(self, *arguments, **keys):
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    with pytest.raises(UserError, match=r"cannot be read\. .*chmod a\+r"):
        pinned(container(), image.parent, "hall.yaml")


def test_what_is_no_image(tmp_path):
    (tmp_path / "p.sif").mkdir()
    with pytest.raises(UserError, match="is a folder, not an image"):
        pinned(container(), tmp_path, "hall.yaml")
    (tmp_path / "q.sif").write_text("text")
    with pytest.raises(UserError, match=r"is no image of Apptainer \(SIF\)\. Build one with"):
        pinned(container(image="q.sif"), tmp_path, "hall.yaml")


def test_all_is_well_where_the_image_starts_and_sees_every_path(image, apptainer, tmp_path):
    check(container(image=str(image)), tmp_path, [str(image)], version=pytest.__version__)
    assert f"--bind {tmp_path}" in (tmp_path / "calls").read_text()


def test_an_image_of_another_version(image, apptainer, tmp_path):
    with pytest.raises(UserError, match=rf"holds pytest {pytest.__version__}, this is 1\.2\.3"):
        check(container(image=str(image)), tmp_path)


def test_a_folder_that_is_not_bound(image, apptainer, tmp_path):
    paths = [str(image), "/nowhere/scan.h5"]
    with pytest.raises(UserError, match=r"does not see /nowhere/scan\.h5\. Add its folder"):
        check(container(image=str(image)), tmp_path, paths, version=pytest.__version__)


def test_a_bind_of_what_is_not_there(image, apptainer, tmp_path):
    with pytest.raises(UserError, match=r"^hall\.yaml\.binds: there is no /nowhere to bind"):
        check(container(image=str(image), binds=["/nowhere"]), tmp_path)


def test_no_apptainer(image, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"there is no 'apptainer' on PATH\. Load its module"):
        check(container(image=str(image)), tmp_path)


def test_a_container_that_does_not_start(image, apptainer, tmp_path):
    apptainer.write_text("#!/bin/sh\necho FATAL: no user namespaces >&2; exit 255\n")
    with pytest.raises(
        UserError, match=r"the container does not start \(FATAL: no user namespaces\)"
    ):
        check(container(image=str(image)), tmp_path)


def test_a_container_that_does_not_start_in_time(
    image, apptainer, tmp_path, monkeypatch, refusal_of
):
    monkeypatch.setattr("hpc.probe.ANSWER", 0.05)
    apptainer.write_text("#!/bin/sh\nexec sleep 60\n")
    assert refusal_of(check, container(image=str(image)), tmp_path) == (
        "the container did not start within 0.05 s",
        "hall.yaml",
        "`ptychopinn-batch doctor` tells more",
    )


@pytest.mark.parametrize("said", ["Hello from a web server", ""])
def test_an_image_of_something_else(image, apptainer, tmp_path, refusal_of, said):
    apptainer.write_text(f"#!/bin/sh\nprintf '{said}'\n")
    assert refusal_of(check, container(image=str(image)), tmp_path) == (
        f"the image {image} gives a strange answer: {said!r}",
        "hall.yaml",
        "Name one that containers/build made",
    )


def test_runs_in_a_folder_that_cannot_be_bound(image, apptainer, tmp_path):
    with pytest.raises(
        UserError,
        match="a container cannot have a folder with spaces, "
        r"commas or colons in its name\. Name another --runs",
    ):
        check(container(image=str(image)), tmp_path / "my runs")


def test_python_inside_is_the_images():
    assert python_inside(FULL, RUN.root)[-3:] == ("/images/p.sif", "python", "-I")


@pytest.fixture
def within(image, monkeypatch, tmp_path):
    """This process seems to run in the image, where there is no apptainer."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("APPTAINER_CONTAINER", str(image))
    monkeypatch.setattr("hpc.container.is_inside", lambda: True)
    return container(image=str(image), sha256=DIGEST, binds=["/data:/input"])


def test_within_the_image_tasks_of_this_machine_are_inside_already(within):
    command = worker_command(RUN, "train-a", within)
    assert command[:3] == ("env", f"{IMAGE_DIGEST}={DIGEST}", "python")
    assert python_inside(within, RUN.root, slurm=True)[0] == "apptainer"


def test_within_the_image_paths_are_held_against_the_binds_of_the_profile(within, tmp_path):
    binds = container(image=within.image, binds=[f"{tmp_path}:/input"])
    check(binds, tmp_path, ["/input/scan.h5", str(tmp_path / "a")])
    with pytest.raises(UserError, match=r"binds: the container does not see /usr/scan\.h5"):
        check(binds, tmp_path, ["/usr/scan.h5"])


def test_within_another_image_nothing_is_submitted(within, tmp_path):
    (tmp_path / "q.sif").write_bytes(SIF)
    other = container(image=str(tmp_path / "q.sif"))
    with pytest.raises(UserError, match=r"this runs in the image .*p\.sif, tasks would run in"):
        check(other, tmp_path)
