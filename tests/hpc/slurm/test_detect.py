"""Profiles made from what clusters say: the answers of one, recorded, and of a bigger one."""

from datetime import timedelta
from pathlib import Path

import pytest

from hpc.errors import UserError
from hpc.slurm.detect import CONFIG, NODES, PARTITIONS, detect, detected, run_command
from hpc.slurm.profile import Partition

ANSWERS = Path(__file__).parent / "answers"


def answers(name):
    return [
        (ANSWERS / name / f"{kind}.txt").read_text() for kind in ("config", "partitions", "nodes")
    ]


def site(*, partition=None, nodes=None):
    """What is found at the bigger site, where it has just this partition or these nodes."""
    config, partitions, its_nodes = answers("site")
    return detected(config, partition or partitions, its_nodes if nodes is None else nodes)


def one(nodes, facts="PartitionName=p State=UP"):
    found = site(partition=facts, nodes=nodes)
    return found.profile.partitions["p"], found.notes["p"]


def test_a_small_cluster():
    found = detected(*answers("small"))
    assert (found.cluster, found.version) == ("test", "22.05.8")
    assert found.profile.array_size == 1001
    assert found.profile.partitions == {
        "main": Partition(mem_gb=4.1, cpus=4, gpus=2, nodes=3, default=True),
        "low": Partition(mem_gb=4.1, cpus=4, gpus=2, nodes=3),
    }
    assert found.notes == {"main": "3 nodes", "low": "3 nodes"}


def test_a_bigger_site():
    found = site()
    assert (found.cluster, found.profile.array_size) == ("polaris", 10001)
    assert found.profile.partitions == {
        "batch": Partition(
            time=timedelta(hours=60), mem_gb=4320.1, cpus=192, gpus=0, nodes=64, default=True
        ),
        "gpu": Partition(time=timedelta(days=1), mem_gb=503.3, cpus=56, gpus=4, nodes=18),
        "gpu-old": Partition(mem_gb=199.2, cpus=40, gpus=4, nodes=4),
        "debug": Partition(time=timedelta(minutes=30), mem_gb=269.4, cpus=128, gpus=0, nodes=1),
        "cloud": Partition(gpus=0),
    }
    assert found.notes == {
        "batch": "204 nodes, 2 of them down",
        "gpu": "18 nodes, 1 of them down; GPUs: a100, h100",
        "gpu-old": "DOWN; 8 nodes, 8 of them down; GPUs: v100",
        "debug": "1 node",
        "cloud": "INACTIVE; 0 nodes",
    }


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("(null)", 0),
        ("gpu:4", 4),
        ("gpu", 1),
        ("gpu:a100", 1),
        ("gpu:a100:4(S:0-1)", 4),
        ("gpu:a100:4(S:0,2,4)", 4),
        ("gpu:a100_3g.20gb:2(S:0),gpu:a100:1", 3),
        ("gpu:no_consume:2", 2),
        ("nvme:3,gpu:mi250:8(S:0-3)", 8),
        ("mps:400,shard:16,gpumem:80", 0),
    ],
)
def test_gpus_are_counted_in_generic_resources(gres, gpus):
    assert one(f"p|1|8|1000|{gres}|idle")[0].gpus == gpus


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("UNLIMITED", None),
        ("INFINITE", None),
        ("NONE", None),
        ("", None),
        ("00:30:00", 0.5),
        ("1-00:00:00", 24),
        ("10-12:00:00", 252),
    ],
)
def test_times(text, hours):
    limit = one("", f"PartitionName=p MaxTime={text}")[0].time
    assert limit == (hours and timedelta(hours=hours))


def test_memory_is_rounded_down_so_that_it_fits():
    assert one("p|1|8|515999|(null)|idle")[0].mem_gb == 541.0
    assert 541.0e9 <= 515999 * 2**20


def test_the_narrower_of_node_and_partition_counts():
    facts = "PartitionName=p MaxMemPerNode=1000 MaxCPUsPerNode=2 MaxNodes=9 TotalNodes=4"
    found = one("p|4|8|515999|(null)|idle", facts)[0]
    assert (found.mem_gb, found.cpus, found.nodes) == (1.0, 2, 4)


def test_the_default_is_known_by_its_mark_alone():
    assert one("p*|4|8|1000|(null)|idle")[0].default


def test_figures_that_were_lumped_together_count_for_their_least():
    found = one("p|4|8+|1000+|(null)|idle")[0]
    assert (found.cpus, found.mem_gb) == (8, 1.0)


@pytest.mark.parametrize("state", ["down", "down*", "idle*", "drained", "draining", "maint"])
def test_nodes_that_take_no_jobs_are_counted_in_the_note(state):
    assert one(f"p|2|8|1000|(null)|{state}")[1] == "2 nodes, 2 of them down"


@pytest.mark.parametrize("state", ["idle", "idle~", "mixed", "allocated+", "completing", "planned"])
def test_others_are_not(state):
    assert one(f"p|2|8|1000|(null)|{state}")[1] == "2 nodes"


def test_lines_that_are_no_nodes_are_passed_over():
    assert one("CLUSTER: polaris\n\nslurm_load_node: hm\np|1|8|1000|(null)|idle")[0].cpus == 8


@pytest.mark.parametrize("kind", [0, 1])
def test_an_answer_without_sense_is_one_message(kind):
    texts = answers("site")
    texts[kind] = "nothing of use\n"
    with pytest.raises(UserError, match="this answer of SLURM is not understood"):
        detected(*texts)


def test_a_cluster_without_arrays_is_of_no_use(refusal_of):
    config, *others = answers("site")
    assert refusal_of(detected, config.replace("10001", "0"), *others) == (
        "job arrays are turned off on this cluster (MaxArraySize is 0)",
        None,
        "Ask its administrators for job arrays",
    )


def test_three_questions_are_asked():
    given = dict(zip((CONFIG, PARTITIONS, NODES), answers("small"), strict=True))
    assert detect(given.__getitem__) == detected(*answers("small"))


# Commands


def test_no_slurm_is_one_message(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="there is no SLURM here: 'scontrol' is not on PATH"):
        run_command(CONFIG)


def test_a_controller_that_is_down_is_one_message(tool):
    tool("sinfo", "echo 'slurm_load_partitions: Unable to contact\n slurm controller' >&2; exit 1")
    with pytest.raises(UserError) as caught:
        run_command(("sinfo", "-h"))
    assert str(caught.value) == (
        "sinfo -h: SLURM does not answer (slurm_load_partitions: Unable to contact; slurm "
        "controller). See whether `sinfo` works here, and try again"
    )


def test_a_command_that_hangs_is_given_up(tool, monkeypatch):
    tool("sinfo", "exec sleep 60")
    monkeypatch.setattr("hpc.slurm.detect.ANSWER", 0.2)
    with pytest.raises(UserError, match=r"timed out after 0\.2 s"):
        run_command(("sinfo",))
