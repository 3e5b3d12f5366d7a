"""A profile from what a cluster says of itself: three commands, asked once, parsed by pure code.

What is not understood, or has no limit, becomes a limit that is not known: SLURM itself still
checks it.
"""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from hpc.errors import UserError
from hpc.resources import parse_duration
from hpc.slurm.command import SlurmError, run
from hpc.slurm.profile import Partition, Profile

__all__ = ["CONFIG", "NODES", "PARTITIONS", "Detected", "detect", "detected", "run_command"]

CONFIG = ("scontrol", "show", "config")
PARTITIONS = ("scontrol", "--oneliner", "show", "partition")
# --exact: nodes that differ are not lumped together as `64+` CPUs.
NODES = ("sinfo", "--noheader", "--exact", "--format=%P|%D|%c|%m|%G|%T")

ANSWER = 75.0  # seconds; without its configuration SLURM tries for 60 before it gives up
RunCommand = Callable[[Sequence[str]], str]

_DOWN = ("down", "drain", "fail", "maint", "inval", "future", "unk")


@dataclass(frozen=True)
class Detected:
    """The profile of a cluster, and a few words on each of its partitions."""

    cluster: str
    version: str
    profile: Profile
    notes: Mapping[str, str]


@dataclass(frozen=True)
class Nodes:
    """Nodes of one kind in one partition."""

    partition: str
    is_default: bool
    count: int
    cpus: int | None
    mem_mb: int | None
    gpus: int
    gpu_types: tuple[str, ...]
    state: str

    @property
    def is_down(self) -> bool:
        # `*`: the node does not answer; other marks tell that it is booted or powered.
        return self.state.endswith("*") or self.state.startswith(_DOWN)


def detect(ask: RunCommand) -> Detected:
    """Ask the cluster that `ask` reaches."""
    return detected(ask(CONFIG), ask(PARTITIONS), ask(NODES))


def run_command(command: Sequence[str]) -> str:
    """What a command of SLURM prints. UserError where there is no SLURM, or it does not answer."""
    if shutil.which(command[0]) is None:
        mend = "Run this on a login node of the cluster, after `module load slurm` if it has that"
        raise UserError(f"there is no SLURM here: '{command[0]}' is not on PATH", mend=mend)
    try:
        return run(*command, timeout=ANSWER)
    except SlurmError as error:
        what, mend = f"SLURM does not answer ({error.said})", "See whether `sinfo` works here"
        raise UserError(what, where=" ".join(command), mend=f"{mend}, and try again") from None


def detected(config: str, partitions: str, nodes: str) -> Detected:
    """The profile from the three answers. Pure."""
    settings = dict(_settings(config))
    if "MaxArraySize" not in settings:
        raise _strange(CONFIG)
    kinds = list(_node_kinds(nodes))
    found, notes = {}, {}
    for line in filter(str.strip, partitions.splitlines()):
        facts = _facts(line)
        name = facts.get("PartitionName", "")
        own = [kind for kind in kinds if kind.partition == name]
        if name:
            found[name] = _partition(facts, own)
            notes[name] = _note(facts, own)
    if not found:
        raise _strange(PARTITIONS)
    return Detected(
        cluster=settings.get("ClusterName", "cluster"),
        version=settings.get("SLURM_VERSION", ""),
        profile=Profile(version=1, array_size=_array_size(settings), partitions=found),
        notes=notes,
    )


def _strange(command: Sequence[str]) -> UserError:
    what = "this answer of SLURM is not understood"
    return UserError(what, where=" ".join(command), mend="Write the profile by hand")


def _array_size(settings: Mapping[str, str]) -> int:
    """Indices end one below MaxArraySize and begin with 0: so many tasks are taken."""
    size = _whole(settings["MaxArraySize"])
    if not size:
        what = "job arrays are turned off on this cluster (MaxArraySize is 0)"
        raise UserError(what, mend="Ask its administrators for job arrays")
    return size


def _settings(config: str) -> Iterator[tuple[str, str]]:
    """Lines such as `MaxArraySize            = 1001`."""
    for line in config.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            yield key.strip(), value.strip()


def _facts(line: str) -> dict[str, str]:
    """Words such as `MaxTime=UNLIMITED`; what follows the first `=` may hold others."""
    pairs = (word.partition("=") for word in line.split())
    return {key: value for key, _, value in pairs}


def _node_kinds(text: str) -> Iterator[Nodes]:
    for line in text.splitlines():
        fields = line.strip().split("|")
        if len(fields) == 6:
            name, count, cpus, memory, gres, state = fields
            gpus = dict(_gpus(gres))
            yield Nodes(
                partition=name.rstrip("*"),
                is_default=name.endswith("*"),
                count=_whole(count) or 0,
                cpus=_whole(cpus),
                mem_mb=_whole(memory),
                gpus=sum(gpus.values()),
                gpu_types=tuple(kind for kind in gpus if kind),
                state=state,
            )


def _gpus(gres: str) -> Iterator[tuple[str, int]]:
    """Types and numbers of the GPUs in `gpu:a100:4(S:0-1),nvme:1`; no type is an empty one."""
    for one in re.sub(r"\([^)]*\)", "", gres).split(","):
        name, *rest = one.strip().split(":")
        if name == "gpu":
            words = [word for word in rest if word != "no_consume"]
            count = _whole(words.pop()) if words and words[-1].isdecimal() else 1
            yield ":".join(words), count or 0


def _partition(facts: Mapping[str, str], kinds: Sequence[Nodes]) -> Partition:
    """The largest node of every kind counts: SLURM finds the node that fits."""
    return Partition(
        time=_time(facts.get("MaxTime", "")),
        mem_gb=_gb(_least(_whole(facts.get("MaxMemPerNode")), _most(k.mem_mb for k in kinds))),
        cpus=_least(_whole(facts.get("MaxCPUsPerNode")), _most(k.cpus for k in kinds)),
        gpus=_most((k.gpus for k in kinds), zero=True),
        nodes=_least(_whole(facts.get("MaxNodes")), _whole(facts.get("TotalNodes"))),
        default=facts.get("Default") == "YES" or any(k.is_default for k in kinds),
    )


def _note(facts: Mapping[str, str], kinds: Sequence[Nodes]) -> str:
    """Such as `DOWN; 12 nodes, 2 of them down; GPUs: a100`."""
    state, total = facts.get("State", "UP"), sum(kind.count for kind in kinds)
    down = sum(kind.count for kind in kinds if kind.is_down)
    types = dict.fromkeys(name for kind in kinds for name in kind.gpu_types)
    words = [state] if state != "UP" else []
    words.append(f"{total} node{'s' * (total != 1)}" + (f", {down} of them down" if down else ""))
    words += [f"GPUs: {', '.join(types)}"] if types else []
    return "; ".join(words)


def _time(text: str) -> timedelta | None:
    try:
        value = parse_duration(text)
    except ValueError:  # UNLIMITED
        return None
    return value if isinstance(value, timedelta) and value else None


def _whole(text: str | None) -> int | None:
    """A number, also one such as `64+`; None where there is no limit."""
    match = re.fullmatch(r"(\d+)\+?", text or "")
    return int(match[1]) if match else None


def _gb(mebibytes: int | None) -> float | None:
    """Rounded down: what a profile allows must fit on the node."""
    return None if mebibytes is None else math.floor(mebibytes * 2**20 / 1e8) / 10 or None


def _most(values: Iterable[int | None], *, zero: bool = False) -> int | None:
    known = [value for value in values if value is not None]
    return max(known) if any(known) or (known and zero) else None


def _least(*values: int | None) -> int | None:
    return min((value for value in values if value), default=None)
