"""Damages job specs, profiles of clusters and records of runs at random; the program reads them.

    python tests/fuzz/fuzz_texts.py --seconds 600 --seed 1

A spec is loaded and expanded, or refused by a UserError. Over the damaged records of a run every
command ends with an exit code of its own, without a traceback. Exit status 1 where anything was
found; the case is printed, and --case repeats it.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from hpc.errors import UserError
from hpc.ledger import Ended, Queued, Started, append
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.settings import write_settings
from hpc.slurm.batches import Accepted, Batch, read_batches
from hpc.submission import plan_run, record_submission
from hpc.task import Task
from ptychopinn_batch.cli import cli
from ptychopinn_batch.cluster.file import read_cluster
from ptychopinn_batch.commands.job import read_job
from ptychopinn_batch.runfolder import write_spec
from ptychopinn_batch.speclang.file import load_spec
from ptychopinn_batch.speclang.variants import expand

ROOT = Path(__file__).parents[2]
SIMULATED = """\
version: 1
name: demo
scans: [{name: star, simulate: {frames: 100, frame_size: 32, object: star}}]
model: {pretrained: default}
infer: {steps: 4, tile: 64}
sweep: {infer.steps: [4, 8]}
profiles: {quick: {infer.steps: 2}}
"""
SPECS = [SIMULATED, *(path.read_text() for path in sorted((ROOT / "jobspecs").glob("*.yaml")))]
_KEPT = tempfile.TemporaryDirectory(prefix="fuzz-run-")
PROFILE = """\
version: 1
account: imaging
sbatch: {gpu-bind: closest, exclusive: true}
setup: [module load cuda/12.4]
mail: {user: me@example.org, on: [END]}
container: {image: a.sif, binds: [/scratch], options: [--no-home]}
stages:
  train: {partition: gpu, constraint: a100}
partitions:
  cpu: {time: 2-00:00:00, default: true}
  gpu: {time: 04:00:00, mem_gb: 512, cpus: 64, gpus: 4, nodes: 8}
"""
TOKENS = [
    *(
        "&a ",
        "*a",
        "<<: ",
        "!!python/object:os.system ",
        "!!binary ",
        "---\n",
        "...",
        "? ",
        "- ",
        ": ",
    ),
    *(
        "%YAML 1.1\n",
        "{",
        "}",
        "[",
        "]",
        "\t",
        "\x00",
        "\u2028",
        "\ud7ff",
        "é",
        "'",
        '"',
        "#",
        "0x",
    ),
    *("1e999", ".nan", "-.inf", "null", "~", "yes", "2001-01-01", "\r", "|", ">", "`"),
]
VALUES: list[Any] = [
    *(None, True, 0, -1, 10**30, 1.5, float("nan"), float("inf"), "", " ", "..", "/", "x" * 5000),
    *("ä\n", "\x07", [], {}, [[]], {"": 1}, {"a.b": {}}, [None], "*", "$(id)", "~nobody", -0.0),
    *("../../etc/passwd", "1:2:3", "[1", {1: 2}, "a,b"),
]
GONE = Process.current().model_copy(update={"started": "long ago"})
"""Nobody runs the tasks: `cancel` would end this very process."""
COMMANDS = [("status",), ("status", "--json"), ("runs",), ("logs",), ("resubmit",), ("cancel",),
            ("report",)]  # fmt: skip


def case(seed: int, number: int) -> str:
    """One damaged input; how it ended. Raises what should not be raised."""
    rand = random.Random(f"{seed} {number}")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name, contextlib.chdir(name):
        kind = KINDS[number % len(KINDS)]
        return kind(rand)


def _spec(rand: random.Random) -> str:
    path = Path("jobspecs/job.yaml")
    path.parent.mkdir()
    Path("data").symlink_to(ROOT / "data")
    path.write_bytes(_damaged(rand.choice(SPECS), rand))
    sets = [_setting(rand)] if rand.random() < 0.3 else []
    return _refused_or(lambda: expand(load_spec(path, sets, rand.choice([None, None, "quick"]))))


def _profile(rand: random.Random) -> str:
    path = Path("cluster.yaml")
    path.write_bytes(_damaged(PROFILE, rand))
    return _refused_or(lambda: read_cluster(path))


def _records(rand: random.Random) -> str:
    """Files of a run are damaged; somebody looks at it."""
    shutil.copytree(_sound_run(), "runs")
    files = sorted(path for path in Path("runs/demo").rglob("*") if path.is_file())
    for path in rand.sample(files, rand.randint(1, 3)):
        path.write_bytes(_bytes_damaged(path.read_bytes(), rand))
    words = rand.choice(COMMANDS)
    names = () if words == ("runs",) else ("demo",)
    done = CliRunner().invoke(cli, [words[0], *names, *words[1:], "--runs", "runs"])
    if done.exit_code not in (0, 1, 2) or "Traceback" in done.output:
        raise AssertionError(f"{words}: exit code {done.exit_code}: {done.output}")
    return f"exit code {done.exit_code}"


KINDS = (_spec, _spec, _profile, _records)


def _refused_or(load: Callable[[], object]) -> str:
    try:
        load()
    except UserError as error:
        if not str(error).strip() or "\n    at 0x" in str(error):
            raise AssertionError(f"no message: {error}") from error
        return "refused"
    return "taken"


def _damaged(text: str, rand: random.Random) -> bytes:
    """The text with other values somewhere, or other characters."""
    if rand.random() < 0.4:
        return _bytes_damaged(text.encode(), rand)
    data = yaml.safe_load(text)
    for _ in range(rand.choice([1, 1, 2])):
        _change(data, rand)
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False).encode(errors="replace")


def _change(data: Any, rand: random.Random) -> None:
    """One value, key or element of a tree becomes another, or goes."""
    places = list(_places(data))
    parent, key = rand.choice(places) if places else (data, None)
    if not isinstance(parent, dict | list) or key is None:
        return
    match rand.randrange(5):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent[rand.choice([f"{key}x", str(key)[:-1], "", "train"])] = parent.pop(key)
        case 2:
            parent[key] = [parent[key]] * rand.randint(0, 3)
        case _:
            parent[key] = rand.choice(VALUES)


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in list(items):
        yield data, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _setting(rand: random.Random) -> str:
    key = rand.choice(
        ["infer.steps", "train.lr", "scans", "scans.0.path", "name", "sweep", "", "a..b"]
    )
    return rand.choice([f"{key}={rand.choice(VALUES)!r}", f"{key}", f"{key}={{", f"={key}"])


def _bytes_damaged(data: bytes, rand: random.Random) -> bytes:
    for _ in range(rand.choice([1, 1, 1, 3])):
        at, to = sorted(rand.randint(0, len(data)) for _ in range(2))
        to = min(to, at + rand.choice([1, 8, 10**6]))
        match rand.randrange(6):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + data[to:]
            case 2:
                data = data[:at] + data[at:to] * 2 + data[to:]
            case 3:
                data = data[:at] + rand.choice(TOKENS).encode(errors="replace") + data[at:]
            case 4:
                data = data[:at] + bytes(rand.randrange(256) for _ in range(3)) + data[to:]
            case _:
                lines = data.splitlines(keepends=True)
                rand.shuffle(lines)
                data = b"".join(lines)
    return data


@functools.cache
def _sound_run() -> Path:
    """A folder of runs with one whose tasks have come to each kind of end."""
    folder = Path(_KEPT.name)
    (folder / "job.yaml").write_text(SIMULATED)
    job = read_job(folder / "job.yaml", folder / "runs", (), None)
    run = job.run
    record_submission(run, plan_run(run, job.tasks))
    write_settings(run, job.settings())
    write_spec(run, job.loaded)
    for task, outcome in zip(job.tasks, ("done", "failed", "done"), strict=False):
        append(run.ledger(task.id), Started(attempt=1, key=task.key, process=GONE))
        append(run.ledger(task.id), Ended(attempt=1, outcome=outcome, cause="it went wrong"))
        run.log(task.id).write_text("what it printed\n")
    _hand_over(run, job.tasks[-1])
    return run.root


def _hand_over(run: RunPaths, task: Task) -> None:
    """As if SLURM had it."""
    append(run.ledger(task.id), Queued(key=task.key, batch="b1"))
    batch = Batch(token="b1", name="demo.b1", stage=task.stage, tasks=(task.id,),
                  resources=task.resources, script="#!/bin/bash\n")  # fmt: skip
    batches = read_batches(run)
    batches.add(batch)
    batches.settle(Accepted(token="b1", job="7"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--case", type=int, nargs=2, metavar=("SEED", "NUMBER"))
    given = parser.parse_args()
    if given.case:
        print(case(*given.case))
        return 0
    until, number, ends = time.monotonic() + given.seconds, 0, Counter[str]()
    while time.monotonic() < until:
        try:
            ends[case(given.seed, number)] += 1
        except Exception:
            ends["found"] += 1
            print(f"FOUND --case {given.seed} {number}\n{traceback.format_exc()}", flush=True)
        number += 1
    told = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
    print(f"seed {given.seed}: {number} cases: {told}")
    return 1 if ends["found"] else 0


if __name__ == "__main__":
    sys.exit(main())
