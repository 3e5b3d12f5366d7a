"""`profile`: a cluster's profile is written from what its SLURM says, found and shown."""

import re
from pathlib import Path

import pytest

from ptychopinn_batch.cluster.file import read_cluster
from ptychopinn_batch.cluster.text import profile_text

ANSWERS = Path(__file__).parents[2] / "hpc" / "slurm" / "answers"

# Each prints what the file of the question holds.
FAKES = {
    "scontrol": 'case "$*" in *config*) cat {0}/config.txt;; *) cat {0}/partitions.txt;; esac',
    "sinfo": "cat {0}/nodes.txt",
}


@pytest.fixture(autouse=True)
def folder(here, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(here / "own"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr("shutil.which", which_of({}))
    return here


def which_of(tools):
    return lambda name: tools.get(name)


@pytest.fixture
def cluster(here, monkeypatch):
    """A cluster by name: its commands are on PATH."""

    def put(name):
        tools = here / "bin"
        tools.mkdir()
        for tool, text in FAKES.items():
            (tools / tool).write_text(f"#!/bin/sh\n{text.format(ANSWERS / name)}\n")
            (tools / tool).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
        monkeypatch.setattr("shutil.which", which_of({tool: str(tools / tool) for tool in FAKES}))

    return put


def test_detect_writes_a_profile_that_is_found_by_its_name(cluster, prints):
    cluster("site")
    text = prints("profile", "detect")
    assert text == (
        "Wrote profiles/polaris.yaml: cluster polaris, partitions batch, gpu, gpu-old, debug, "
        "cloud\nNext: look at it, then ptychopinn-batch plan SPEC --profile polaris\n"
    )
    found = read_cluster(Path("profiles/polaris.yaml"))
    assert (found.array_size, found.partition) == (10001, None)
    assert found.limits("train").nodes == 64
    assert found.partitions["gpu"].gpus == 4
    assert "polaris  profiles/polaris.yaml" in prints("profile", "list")


def test_what_is_written_says_what_limits_cannot(cluster, prints):
    cluster("site")
    prints("profile", "detect")
    text = Path("profiles/polaris.yaml").read_text()
    assert re.search(
        r"^  gpu: \{time: 24:00:00, .*\}  # 18 nodes, 1 of them down; GPUs", text, re.M
    )
    assert re.search(r"^  gpu-old: .* # DOWN; 8 nodes", text, re.M)
    assert "# partition: batch            # without it: batch, the default\n" in text


@pytest.mark.parametrize("name", ["small", "site"])
def test_every_comment_that_shows_a_key_shows_a_valid_one(cluster, prints, name):
    cluster(name)
    prints("profile", "detect")
    (file,) = Path("profiles").iterdir()
    text = re.sub(r"^# ( *[a-z_]+: )", r"\1", file.read_text(), flags=re.M)
    text = re.sub(r"^#   train", "  train", text, flags=re.M)
    either, other = r"^container: .*\n", r"^python: .*\n"  # a container brings its own Python
    Path("all.yaml").write_text(re.sub(other, "", text, flags=re.M))
    assert read_cluster(Path("all.yaml")).container.image == "ptychopinn-batch.sif"
    Path("all.yaml").write_text(re.sub(either, "", text, flags=re.M))
    found = read_cluster(Path("all.yaml"))
    assert (found.account, found.max_jobs, found.mail.on) == ("my_project", 500, ("END", "FAIL"))
    assert found.options("train").partition == "gpu"


def test_a_partition_for_all_stages(cluster, prints, refuses):
    cluster("site")
    assert "there is no partition 'gpus'. Did you mean 'gpu'?" in refuses(
        "profile", "detect", "--partition", "gpus"
    )
    prints("profile", "detect", "--partition", "gpu")
    assert read_cluster(Path("profiles/polaris.yaml")).partition == "gpu"


def test_a_profile_is_replaced_only_by_force(cluster, prints, refuses):
    cluster("small")
    prints("profile", "detect")
    Path("profiles/test.yaml").write_text("mine")
    assert refuses("profile", "detect") == (
        "Error: profiles/test.yaml: this file exists. Choose another name, or say --force to "
        "replace it\n"
    )
    prints("profile", "detect", "--force")
    assert Path("profiles/test.yaml").read_text() != "mine"


@pytest.mark.parametrize(
    ("output", "called"), [("mine.yaml", "mine.yaml"), ("mine", "./mine"), ("p/x.yaml", "p/x.yaml")]
)
def test_another_place_is_called_by_its_path(cluster, prints, output, called):
    cluster("small")
    Path("p").mkdir()
    assert prints("profile", "detect", "--output", output).endswith(f"--profile {called}\n")
    assert f"plan SPEC --profile {called}\n" in Path(output).read_text()
    assert "array_size: 1001\n" in prints("profile", "show", called)


def test_a_folder_that_is_not_there_is_told_before_slurm_is_asked(refuses):
    assert "nowhere: there is no such folder" in refuses(
        "profile", "detect", "--output", "nowhere/x"
    )


def test_without_slurm_there_is_one_message_and_no_file(refuses):
    assert refuses("profile", "detect") == (
        "Error: there is no SLURM here: 'scontrol' is not on PATH. Run this on a login node of "
        "the cluster, after `module load slurm` if it has that\n"
    )


def test_a_controller_that_is_down_is_one_message_and_no_file(cluster, refuses, here):
    cluster("small")
    (here / "bin/scontrol").write_text("#!/bin/sh\necho 'Unable to contact' >&2\nexit 1\n")
    assert "scontrol show config: SLURM does not answer (Unable to contact)" in refuses(
        "profile", "detect"
    )


PROFILE = """\
version: 1
account: "12e4"
sbatch: {exclusive: true, nice: 5}
setup: ["echo a: b", "module load 'x'"]
stages:
  train: {account: null, sbatch: {nice: null}}
partitions:
  "odd name": {time: 1-00:00:00, mem_gb: 0.5, default: true}
"""


def test_show_prints_where_it_is_from_and_what_it_comes_to(prints):
    Path("profiles").mkdir()
    Path("profiles/hall.yaml").write_text(PROFILE)
    text = prints("profile", "show", "hall")
    assert text.startswith("# From profiles/hall.yaml\nversion: 1\nexecutor: slurm\n")
    assert "signal_s: 120\n" in text
    assert '  "odd name":\n    time: 24:00:00\n' in text
    assert "  train:\n    partition: null\n    account: null\n" in text


def test_what_is_shown_means_the_same_as_the_file(prints):
    file = Path("hall.yaml")
    file.write_text(PROFILE)
    before = read_cluster(file)
    file.write_text(prints("profile", "show", "hall.yaml"))
    after = read_cluster(file)
    for stage in ("train", "infer"):
        assert after.options(stage) == before.options(stage)
        assert after.limits(stage) == before.limits(stage)
    assert profile_text(after) == profile_text(before)


def test_show_of_a_profile_that_is_not_there_names_those_that_are(refuses):
    assert "Make one with `ptychopinn-batch profile detect`" in refuses("profile", "show", "hal")
    Path("profiles").mkdir()
    Path("profiles/hall.yaml").write_text(PROFILE)
    assert "Did you mean 'hall'?" in refuses("profile", "show", "hal")
    assert "hal.yaml: there is no such file" in refuses("profile", "show", "profiles/hal.yaml")


def test_list_says_how_to_make_one_where_there_is_none(prints):
    assert prints("profile", "list") == (
        "No profiles in profiles, own/ptychopinn-batch/profiles. Make one: ptychopinn-batch "
        "profile detect\n"
    )


def test_every_option_of_every_subcommand_is_documented(prints):
    page = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
    for command in ("detect", "show", "list"):
        text = prints("profile", command, "--help")
        assert f"Example: ptychopinn-batch profile {command}" in " ".join(text.split())
        assert f"profile {command}" in page
        assert all(option in page for option in re.findall(r"^  (--[a-z-]+)", text, re.M))
