"""Profiles: what a stage comes to, what may not be said, and that nothing is lost in JSON."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from hpc.slurm.parameters import MANAGED
from hpc.slurm.profile import Limits, Profile


def profile(**keys):
    return Profile.model_validate({"version": 1, **keys})


def mistakes(**keys):
    """Key and fault of everything that is wrong."""
    with pytest.raises(ValidationError) as caught:
        profile(**keys)
    return {
        ".".join(map(str, error["loc"])): error.get("ctx", {}).get("what", error["msg"])
        for error in caught.value.errors()
    }


def test_a_stage_takes_the_general_options_but_for_its_own():
    found = profile(account="lab", qos="normal", stages={"train": {"partition": "gpu"}})
    assert found.options("train").partition == "gpu"
    assert found.options("train").account == "lab"
    assert found.options("infer").partition is None


def test_null_takes_a_general_option_away():
    found = profile(constraint="a100", stages={"prepare": {"constraint": None}})
    assert found.options("prepare").constraint is None
    assert found.options("train").constraint == "a100"


def test_parameters_of_sbatch_are_merged_one_by_one():
    found = profile(
        sbatch={"nice": 5, "exclusive": True},
        stages={"infer": {"sbatch": {"exclusive": None, "gpu-bind": "closest"}}},
    )
    assert found.options("infer").sbatch == {"nice": 5, "gpu-bind": "closest"}
    assert found.options("train").sbatch == {"nice": 5, "exclusive": True}


def test_lines_of_setup_take_the_place_of_the_general_ones():
    found = profile(setup=["module load a"], stages={"train": {"setup": ["module load b"]}})
    assert found.options("train").setup == ("module load b",)
    assert found.options("infer").setup == ("module load a",)


def test_a_profile_means_the_same_after_json():
    found = profile(
        account="lab",
        sbatch={"nice": 5},
        stages={"train": {"account": None, "sbatch": {"nice": None}}, "infer": {}},
        partitions={"gpu": {"time": "1-00:00:00", "mem_gb": 512, "default": True}},
    )
    again = Profile.model_validate_json(found.model_dump_json())
    assert again == found
    for stage in ("train", "infer", "prepare"):
        assert again.options(stage) == found.options(stage)
    assert again.options("train").account is None
    assert again.options("infer").account == "lab"


def test_limits_are_those_of_the_stages_partition_or_of_the_default_one():
    found = profile(
        stages={"train": {"partition": "gpu"}},
        partitions={"cpu": {"time": "02:00:00", "default": True}, "gpu": {"gpus": 4}},
    )
    assert found.limits("train") == Limits(gpus=4)
    assert found.limits("infer") == Limits(time=timedelta(hours=2))


def test_of_several_partitions_the_widest_limits_hold():
    partitions = {"a": {"gpus": 4, "nodes": 2}, "b": {"gpus": 8}}
    found = profile(partition="a,b", partitions=partitions)
    assert found.limits("train") == Limits(gpus=8)


@pytest.mark.parametrize("partition", [None, "elsewhere"])
def test_no_limits_are_known_of_an_unknown_partition(partition):
    assert profile(partition=partition, partitions={"a": {"gpus": 1}}).limits("train") == Limits()


@pytest.mark.parametrize("name", MANAGED)
def test_what_the_program_sets_is_no_parameter_of_sbatch(name):
    assert mistakes(sbatch={name: "x"}) == {
        f"sbatch.{name}.[key]": "this parameter is set elsewhere"
    }


@pytest.mark.parametrize("name", ["--time", "TIME", "cpus_per_task", "Job-Name"])
def test_other_spellings_of_such_parameters_are_refused_too(name):
    assert mistakes(sbatch={name: 1}) == {f"sbatch.{name}.[key]": "this parameter is set elsewhere"}


@pytest.mark.parametrize("name", ["p", "gpu_bind", "--nice", "nice=3", "", "a b", "nice\n#"])
def test_parameters_are_long_options_without_dashes(name):
    assert "Expected a long option of sbatch" in mistakes(sbatch={name: 1})[f"sbatch.{name}.[key]"]


def test_gpus_are_not_asked_for_through_gres_but_other_things_are():
    assert mistakes(sbatch={"gres": "gpu:4"}) == {"sbatch": "GPUs are asked for elsewhere"}
    assert profile(sbatch={"gres": "nvme:1"}).options("train").sbatch == {"gres": "nvme:1"}


@pytest.mark.parametrize("text", ["a b", "a\nb", "it's", 'a"b', "", "a\\b"])
def test_a_partition_is_one_word(text):
    assert list(mistakes(partition=text)) == ["partition"]


def test_text_for_sbatch_holds_no_line_of_its_own():
    assert "sbatch.nice.constrained-str" in mistakes(sbatch={"nice": "3\n#SBATCH --time=1"})


@pytest.mark.parametrize("command", ["", "  ", "apptainer 'exec"])
def test_python_is_a_command(command):
    assert list(mistakes(python=command)) == ["python"]


def test_one_partition_is_the_default():
    both = {"a": {"default": True}, "b": {"default": True}}
    assert mistakes(partitions=both) == {"": "two partitions are the default ('a' and 'b')"}


def test_all_mistakes_are_told():
    found = mistakes(
        executor="pbs", array_size=0, mail={"user": "me", "on": ["END", "NEVER"]}, tiem=3
    )
    assert set(found) == {"executor", "array_size", "mail.on.1", "tiem"}


def test_what_may_be_left_out():
    found = profile()
    assert (found.executor, found.array_size, found.signal_s) == ("slurm", 1000, 120)
    assert found.mail is None
    assert found.max_jobs is None
