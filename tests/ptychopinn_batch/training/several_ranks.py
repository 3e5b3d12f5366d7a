"""Trains with several ranks, each a process of its own: the program behind `test_ranks.py`.

Reads a list of acts as JSON from stdin and prints, for each, the exit statuses of its ranks. What a
rank says of its training is left in the act's folder. Processes are forked, so that only one has to
import torch; none of them has used it before.
"""

import json
import os
import signal
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path

import torch
import torch._dynamo  # by the first step of an optimiser, and slow

from hpc.ranks import Ranks, follower_environments, free_port
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.jobspec import CnnSettings, Train, UnrolledSettings
from ptychopinn_batch.networks.registry import build_network
from ptychopinn_batch.training import data
from ptychopinn_batch.training.fit import fit

DEADLINE = 60.0
SETTINGS = {
    "unrolled": UnrolledSettings(width=4, hidden=2, depth=2),
    "cnn": CnnSettings(n=32, filters_scale=1),
}


def run(act):
    ranks = Ranks.of(os.environ)
    looks = 0

    def should_stop():
        nonlocal looks
        looks += 1
        if act.get("kill") == [ranks.rank, looks - 1]:
            os.kill(os.getpid(), signal.SIGKILL)
        return act.get("stop") == [ranks.rank, looks - 1]

    torch.manual_seed(ranks.rank)  # all begin with the weights of the first, whatever theirs are
    network = build_network(act["network"], SETTINGS[act["network"]])
    fitted = fit(
        network,
        Train.model_validate(act["train"]),
        [ScanStore.open(Path(store)) for store in act["stores"]],
        seed=1,
        folder=Path(act["folder"]),
        should_stop=should_stop,
        ranks=ranks,
    )
    weights = [parameter.double().sum().item() for parameter in network.parameters()]
    told = {**asdict(fitted), "weights": weights, "looks": looks}
    (Path(act["folder"]) / f"told-{ranks.rank}.json").write_text(json.dumps(told))


def start(act, environment):
    pid = os.fork()
    if pid:
        return pid
    os.environ.update(environment)
    try:
        run(act)
    except Exception:
        traceback.print_exc()
        sys.exit(1)
    sys.exit(0)


def status_of(pid, deadline):
    """How a process ended; one that does not is killed, and has no status."""
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def main():
    data.SIMULATED_REGIONS, data.MEASURED_REGIONS, data.VALIDATION_STEPS = 3, 1, 1
    for act in json.load(sys.stdin):
        environments = follower_environments(act["per_node"], act["nodes"], free_port())
        pids = [start(act, environment) for environment in environments]
        deadline = time.monotonic() + DEADLINE
        print(json.dumps([status_of(pid, deadline) for pid in pids]), flush=True)


if __name__ == "__main__":
    main()
