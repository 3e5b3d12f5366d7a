"""The script that sbatch gets, word for word."""

import shlex
from datetime import timedelta
from pathlib import Path

import pytest

from hpc.paths import RunPaths
from hpc.resources import Resources
from hpc.slurm.arrays import Shape
from hpc.slurm.profile import Mail, Profile, StageOptions
from hpc.slurm.script import job_name, steward_script, task_script

RUN = RunPaths(Path("/scratch/runs of the day"), "demo")
TOKEN = "0123456789"
SMALL = Resources(time=timedelta(minutes=1), mem_gb=0.1, cpus=1, gpus=0)
LARGE = Resources(
    time=timedelta(hours=2, seconds=1), mem_gb=3.0, cpus=4, gpus=2, nodes=2, tasks_per_node=2
)

FULL = Profile(
    version=1,
    partition="gpu,long",
    account="proj7",
    qos="long",
    constraint="a100",
    reservation="beam",
    sbatch={"exclusive": True, "gpu-bind": "closest", "nice": 5, "hint": False},
    setup=("module load cuda", "export X='1 2'"),
    python="apptainer exec --nv '/images/my image.sif' python",
    mail=Mail(user="me@example.org", on=("END", "TIME_LIMIT")),
    signal_s=90,
)
PLAIN = Profile(version=1)


def script(
    profile: Profile = PLAIN,
    resources: Resources = SMALL,
    *,
    shunned: tuple[str, ...] = (),
    count: int = 1,
    parallel: int = 1,
    after: tuple[str, ...] = (),
    stage: str = "train",
) -> str:
    return task_script(
        RUN,
        profile,
        stage=stage,
        token=TOKEN,
        shape=Shape(resources, shunned),
        count=count,
        parallel=parallel,
        after=after,
    )


def directives(text: str) -> list[str]:
    return [line.removeprefix("#SBATCH ") for line in text.splitlines() if "#SBATCH" in line]


def test_an_array_with_every_option() -> None:
    text = script(
        FULL, LARGE, shunned=("node3", "node7"), count=20, parallel=4, after=("11", "12_3")
    )
    assert text.splitlines() == [
        "#!/bin/bash",
        "",
        "# Parameters",
        "#SBATCH --account=proj7",
        "#SBATCH --array=0-19%4",
        "#SBATCH --constraint=a100",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --dependency=afterany:11:12_3",
        "#SBATCH --exclude=node3,node7",
        "#SBATCH --exclusive",
        "#SBATCH --gpu-bind=closest",
        "#SBATCH --gpus-per-node=2",
        "#SBATCH --job-name=demo.train.0123456789",
        "#SBATCH --mem=2862M",
        "#SBATCH --nice=5",
        "#SBATCH --nodes=2",
        "#SBATCH --ntasks-per-node=2",
        "#SBATCH --open-mode=append",
        "#SBATCH --output='/scratch/runs of the day/demo/logs/slurm/%A_%a_0_log.out'",
        "#SBATCH --partition=gpu,long",
        "#SBATCH --qos=long",
        "#SBATCH --requeue",
        "#SBATCH --reservation=beam",
        "#SBATCH --signal=USR2@90",
        "#SBATCH --time=121",
        "",
        "# setup",
        "trap 'echo \"setup failed: $BASH_COMMAND\" >&2; exit 1' ERR",
        "module load cuda",
        "export X='1 2'",
        "trap - ERR",
        "",
        "# command",
        "export SUBMITIT_EXECUTOR=slurm",
        "srun --unbuffered --output '/scratch/runs of the day/demo/logs/slurm/%A_%a_%t_log.out' "
        "--kill-on-bad-exit=1 --cpus-per-task=4 "
        "apptainer exec --nv '/images/my image.sif' python -u -m hpc.slurm.worker "
        "--runs '/scratch/runs of the day' --run demo --batch 0123456789",
    ]


def test_an_array_of_one_without_any_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/opt/python")
    monkeypatch.setattr("hpc.slurm.script.python_options", lambda: ("-P",))
    text = script()
    assert directives(text) == [
        "--array=0-0%1",
        "--cpus-per-task=1",
        "--job-name=demo.train.0123456789",
        "--mem=96M",
        "--nodes=1",
        "--ntasks-per-node=1",
        "--open-mode=append",
        "--output='/scratch/runs of the day/demo/logs/slurm/%A_%a_0_log.out'",
        "--requeue",
        "--signal=USR2@120",
        "--time=1",
    ]
    assert "# setup" not in text
    assert " /opt/python -P -u -m hpc.slurm.worker " in text


def test_gpus_of_a_type_are_asked_for_by_it_where_there_are_any() -> None:
    typed = Profile(version=1, gpu_type="a100", stages={"infer": {"gpu_type": None}})
    two = SMALL.model_copy(update={"gpus": 2})
    assert "--gpus-per-node=a100:2" in script(typed, two)
    assert "--gpus-per-node" not in script(typed, SMALL)


def test_no_gpus_are_not_mentioned() -> None:
    assert "gpu" not in script()
    assert "--gpus-per-node=1" in script(resources=SMALL.model_copy(update={"gpus": 1}))


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(1, 1), (60, 1), (61, 2), (3600, 60), (3 * 86400, 4320)]
)
def test_time_is_rounded_up_to_the_minutes_that_slurm_counts_in(seconds: int, minutes: int) -> None:
    resources = SMALL.model_copy(update={"time": timedelta(seconds=seconds)})
    assert f"--time={minutes}" in directives(script(resources=resources))


@pytest.mark.parametrize(("mem_gb", "mebibytes"), [(0.001, 1), (1.048576, 1000), (1.1, 1050)])
def test_memory_is_rounded_up_to_the_mebibytes_that_slurm_calls_m(
    mem_gb: float, mebibytes: int
) -> None:
    resources = SMALL.model_copy(update={"mem_gb": mem_gb})
    assert f"--mem={mebibytes}M" in directives(script(resources=resources))


def test_the_options_of_a_stage_take_the_place_of_the_general_ones() -> None:
    stages = {"train": StageOptions(partition="cpu", sbatch={"nice": None}, setup=())}
    profile = FULL.model_copy(update={"stages": stages})
    own, other = directives(script(profile)), directives(script(profile, stage="infer"))
    assert "--partition=cpu" in own
    assert "--partition=gpu,long" in other
    assert "--nice=5" not in own
    assert "--nice=5" in other
    assert "--account=proj7" in own
    assert "module load" not in script(profile)


def test_mail_is_sent_for_the_run_and_not_for_every_task() -> None:
    assert "mail" not in script(FULL)
    text = steward_script(RUN, FULL, token=TOKEN, resources=SMALL, after=("11", "12"))
    assert "--mail-type=END,TIME_LIMIT" in directives(text)
    assert "--mail-user=me@example.org" in directives(text)
    text = steward_script(RUN, PLAIN, token=TOKEN, resources=SMALL, after=("11", "12"))
    assert "mail" not in text


def test_the_steward_is_a_single_job_behind_all_arrays() -> None:
    text = steward_script(RUN, FULL, token=TOKEN, resources=SMALL, after=("11", "12"))
    assert "--dependency=afterany:11:12" in directives(text)
    assert "--job-name=demo.steward.0123456789" in directives(text)
    assert "--account=proj7" in directives(text)
    assert "--array" not in text
    assert text.splitlines()[-1].endswith(
        "apptainer exec --nv '/images/my image.sif' python -m hpc.slurm.steward "
        "--runs '/scratch/runs of the day' --run demo"
    )


@pytest.mark.parametrize("name", ["bash", "interactive", "x" * 150])
def test_the_name_of_a_job_is_short_holds_the_token_and_is_none_that_has_a_meaning(
    name: str,
) -> None:
    # Lightning takes a job named bash or interactive for one where it has to start the ranks.
    found = job_name(RunPaths(Path("/scratch"), name), "train", TOKEN)
    assert found not in ("bash", "interactive")
    assert found.endswith(f".train.{TOKEN}")
    assert len(found) < 70


@pytest.mark.parametrize("folder", ["/scratch/it's", "/scratch/$HOME `x`"])
def test_a_strange_folder_is_one_word_to_the_shell(folder: str) -> None:
    text = task_script(
        RunPaths(Path(folder), "demo"),
        PLAIN,
        stage="train",
        token=TOKEN,
        shape=Shape(SMALL),
        count=1,
        parallel=1,
    )
    words = shlex.split(text.splitlines()[-1])
    assert words[words.index("--runs") + 1] == folder
