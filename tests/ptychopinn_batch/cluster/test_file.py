"""Profiles of clusters as their users write them: found, read, and every mistake named."""

from datetime import timedelta
from pathlib import Path

import pytest

from hpc.errors import UserError
from hpc.resources import Resources
from hpc.slurm.profile import Profile
from hpc.task import make_task
from ptychopinn_batch.cluster.file import (
    STAGES,
    check_limits,
    cluster_folders,
    cluster_language,
    find_cluster,
    known_clusters,
    no_cluster,
    read_cluster,
    spec_key,
)
from ptychopinn_batch.cluster.reference import key_tables
from ptychopinn_batch.stages.params import (
    CheckParams,
    FinalizeParams,
    InferParams,
    PackageParams,
    PrepareParams,
    RefineParams,
    TrainParams,
)

ROOT = Path(__file__).parents[3]

GOOD = """\
version: 1
account: imaging
sbatch: {gpu-bind: closest, exclusive: true}
setup:
  - module load cuda/12.4
mail: {user: me@example.org, on: [END]}
stages:
  train: {partition: gpu}
partitions:
  cpu: {time: 2-00:00:00, default: true}
  gpu: {time: 04:00:00, mem_gb: 512, gpus: 4}
"""


@pytest.fixture(autouse=True)
def folders(here, monkeypatch):
    """A working folder, and a folder of the user's own that is empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(here / "own"))
    return here


def put(path, text="version: 1\n"):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def mistakes(text):
    """What is said of a profile, one message a line, without the name of its file."""
    with pytest.raises(UserError) as caught:
        read_cluster(put("p.yaml", text))
    lines = str(caught.value).splitlines()
    return [line.strip().removeprefix("p.yaml") for line in lines[len(lines) > 1 :]]


# Reading


def test_a_profile_is_read():
    found = read_cluster(put("p.yaml", GOOD))
    assert found.options("train").partition == "gpu"
    assert found.options("infer").sbatch == {"gpu-bind": "closest", "exclusive": True}
    assert found.setup == ("module load cuda/12.4",)
    assert found.mail.on == ("END",)
    assert found.limits("train").time == timedelta(hours=4)
    assert found.limits("infer").time == timedelta(days=2)


def test_the_shortest_profile():
    assert read_cluster(put("p.yaml")) == Profile(version=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1\npartion: gpu", ":2 partion: there is no such key. Did you mean 'partition'?"),
        ("version: 1\ntime: 1", ":2 time: there is no such key. It belongs to partitions.NAME"),
        ("account: x", " version: this key is required. Write version: 1"),
        ("version: 2", ":1 version: Expected 1, got 2. Write version: 1"),
        (
            "version: 1\nexecutor: slrum",
            ':2 executor: Expected slurm or local, got the text "slrum". Write executor: slurm',
        ),
        (
            "version: 1\nmail: {user: me@x.org, on: [ENDS]}",
            ":2 mail.on.0: Expected BEGIN, END, FAIL, REQUEUE, TIME_LIMIT or ALL, "
            'got the text "ENDS". Write END',
        ),
        (
            "version: 1\nmail: {}",
            ":2 mail.user: this key is required. Write user: me@example.org",
        ),
        (
            "version: 1\nsetup: module load cuda",
            ':2 setup: Expected a list, each text, got the text "module load cuda". '
            'Write setup: ["module load cuda"]',
        ),
        (
            "version: 1\nsbatch:\n  time: 5",
            ":3 sbatch.time: this parameter is set elsewhere. "
            "Write resources.STAGE.time in the job spec",
        ),
        (
            "version: 1\nstages: {train: {sbatch: {gpu_bind: x}}}",
            ":2 stages.train.sbatch.gpu_bind: Expected a long option of sbatch, without its "
            "dashes. Write gpu-bind",
        ),
        (
            "version: 1\nsbatch: {gres: 'gpu:2'}",
            ":2 sbatch.gres: GPUs are asked for elsewhere. "
            "Write resources.STAGE.gpus in the job spec",
        ),
        (
            "version: 1\nsbatch: {nice: [1]}",
            ":2 sbatch.nice: Expected text on one line or an integer or a number or true or false "
            "or null, got [1]. Remove the key",
        ),
        (
            "version: 1\npython: apptainer 'exec",
            ":2 python: Expected a command, as words of a shell. Close every quote, or remove the "
            "key",
        ),
        (
            "version: 1\npartitions: {gpu: {time: 4h}}",
            ":2 partitions.gpu.time: Expected a time as HH:MM:SS or D-HH:MM:SS, or null, "
            'got the text "4h". Write, for example, time: 04:00:00',
        ),
        (
            "version: 1\npartitions: {gpu: {mem: 3}}",
            ":2 partitions.gpu.mem: there is no such key. Did you mean 'mem_gb'?",
        ),
        (
            "version: 1\npartitions:\n  a: {default: true}\n  b: {default: true}",
            ":4 partitions.b.default: two partitions are the default ('a' and 'b'). Keep one",
        ),
        (
            "version: 1\nstages: {trian: {partition: gpu}}",
            ":2 stages.trian: there is no such stage. Did you mean 'train'?",
        ),
        (
            "version: 1\nstages: {x: {}}",
            ":2 stages.x: there is no such stage. Stages: check, prepare, train, package, refine, "
            "infer, finalize",
        ),
        (
            "",
            ": the file is empty. Begin with version: 1, or run `ptychopinn-batch profile detect`",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_its_key_and_its_mend(text, message):
    assert mistakes(text) == [message]


def test_all_mistakes_are_told_at_once():
    text = "version: 1\narray_size: 0\nsbatch: {mem: 1, job-name: x}\nstages: {trian: {acount: x}}"
    assert [line.split(":")[1].split()[1] for line in mistakes(text)] == [
        "array_size",
        "sbatch.mem",
        "sbatch.job-name",
        "stages.trian",
        "stages.trian.acount",
    ]


def test_a_file_that_is_not_there_is_named_with_a_near_one():
    put("polaris.yaml")
    with pytest.raises(UserError, match=r"Did you mean 'polaris\.yaml'"):
        read_cluster(Path("polarsi.yaml"))


# Finding


def test_a_profile_is_looked_for_beside_the_spec_then_here_then_in_the_users_folder(folders):
    places = [
        "specs/profiles/p.yaml",
        "profiles/p.yaml",
        "own/ptychopinn-batch/profiles/p.yaml",
    ]
    for place in reversed(places):
        put(folders / place)
        assert find_cluster("p", folders / "specs") == folders / place


def test_a_relative_folder_of_the_spec_and_the_same_folder_twice(folders):
    put("profiles/p.yaml")
    assert find_cluster("p", Path()) == folders / "profiles/p.yaml"
    assert cluster_folders(Path()) == cluster_folders(folders)
    assert len(cluster_folders(folders)) == 2


def test_the_users_folder_is_below_home_unless_said_otherwise(monkeypatch, folders):
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(folders))
    own = put(".config/ptychopinn-batch/profiles/p.yaml")
    assert find_cluster("p", folders) == own.absolute()


@pytest.mark.parametrize("name", ["p.yaml", "p.yml", "./p", "a/p", "/nowhere/p.yaml"])
def test_a_path_is_itself_there_or_not(name, folders):
    put("profiles/p.yaml")
    assert find_cluster(name, folders) == Path(name)


@pytest.mark.parametrize("name", ["q", "", ".", "P", "p.yam"])
def test_others_are_not_found(name, folders):
    put("profiles/p.yaml")
    assert find_cluster(name, folders) is None


def test_what_is_said_then_names_the_folders_and_what_is_there(folders):
    text = str(no_cluster("q", folders))
    assert text == (
        f"profile 'q': there is no q.yaml in {folders}/profiles, "
        f"{folders}/own/ptychopinn-batch/profiles. Make one with `ptychopinn-batch profile detect`"
    )
    put("profiles/polaris.yaml")
    put("own/ptychopinn-batch/profiles/hall.yaml")
    assert str(no_cluster("polarsi", folders)).endswith("Did you mean 'polaris'?")
    assert str(no_cluster("zz", folders)).endswith("There are: hall, polaris")


def test_the_first_of_several_profiles_of_one_name_is_meant(folders):
    first, other = put("profiles/p.yaml"), put("own/ptychopinn-batch/profiles/p.yaml")
    assert known_clusters(cluster_folders(folders)) == {"p": first.absolute()}
    first.unlink()
    assert known_clusters(cluster_folders(folders)) == {"p": other.absolute()}


# Limits


def task(stage, hours, **asked):
    resources = Resources(time=timedelta(hours=hours), mem_gb=8.0, cpus=2, gpus=0, **asked)
    return make_task(
        id=f"{stage}-x", stage=stage, entry="a:b", revision=1, params={}, resources=resources
    )


def test_tasks_that_fit_are_fine():
    check_limits([task("train", 4)], read_cluster(put("p.yaml", GOOD)), Path("p.yaml"))


def test_everything_that_does_not_fit_is_told_at_once():
    found = read_cluster(put("p.yaml", GOOD))
    with pytest.raises(UserError) as caught:
        check_limits([task("train", 5), task("package", 72)], found, Path("p.yaml"))
    assert str(caught.value) == (
        "2 mistakes in p.yaml:\n"
        "  p.yaml partitions.gpu: task train-x asks for 05:00:00, partition 'gpu' allows 04:00:00. "
        "Write resources.train.time up to 04:00:00, or choose another partition\n"
        "  p.yaml partitions.cpu: task package-x asks for 72:00:00, partition 'cpu' allows "
        "48:00:00. Write resources.finalize.time up to 48:00:00, or choose another partition"
    )


def test_the_keys_of_a_spec_that_set_resources():
    assert spec_key("infer", "mem_gb") == "resources.infer.mem_gb"
    assert spec_key("refine", "time") == "resources.refine.time"
    assert spec_key("package", "time") == "resources.finalize.time"
    assert spec_key("train", "nodes") == "train.nodes"
    assert spec_key("train", "tasks_per_node") == "train.devices"


# The language


def test_the_stages_are_those_there_are():
    models = (
        CheckParams,
        PrepareParams,
        TrainParams,
        PackageParams,
        RefineParams,
        InferParams,
        FinalizeParams,
    )
    assert tuple(model.stage for model in models) == STAGES


def test_every_key_has_a_meaning():
    undocumented = [
        key for key, node in cluster_language().known_keys.items() if not node.get("description")
    ]
    assert undocumented == []


def test_the_page_holds_every_key():
    page = (ROOT / "docs" / "cluster.md").read_text()
    assert key_tables() in page, "run python -m ptychopinn_batch.cluster.reference"


def test_the_profile_of_the_page_is_valid():
    page = (ROOT / "docs" / "cluster.md").read_text()
    text = page.split("```yaml\n")[1].split("```")[0]
    found = read_cluster(put("p.yaml", text))
    assert set(found.partitions) == {"cpu", "gpu", "short"}
    assert found.options("infer").partition == "gpu,short"
