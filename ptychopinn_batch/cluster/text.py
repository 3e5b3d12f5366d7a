"""A cluster's profile as YAML: one that was detected, with comments, or one as it is understood."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hpc.slurm.detect import Detected
from hpc.slurm.profile import Partition, Profile, StageOptions
from ptychopinn_batch.speclang.expected import as_yaml

__all__ = ["detected_text", "profile_text"]

_TEMPLATE = """\
# The cluster {cluster}, by `ptychopinn-batch profile detect` from what its SLURM {version} says.
# Yours to edit; docs/cluster.md tells every key. Keys in comments are examples.
#
#   ptychopinn-batch plan SPEC --profile {name}
#   ptychopinn-batch submit SPEC --profile {name}
version: 1
executor: slurm

{partition}
# account: my_project         # what is charged
# qos: normal
# constraint: a100            # features that nodes must have
# gpu_type: a100              # where the cluster tells types of GPUs apart
# sbatch: {{gpu-bind: closest}} # more parameters of sbatch
# setup: [module load cuda]   # lines of shell before every task
# python: /shared/venv/bin/python    # without it: the interpreter that submits
# container: {{image: ptychopinn-batch.sif, nv: true, binds: [/scratch]}}   # tasks run inside
# mail: {{user: me@example.org, on: [END, FAIL]}}   # about a run as a whole
# stages:                     # the same keys for single stages, over the general ones
#   train: {{partition: gpu}}

{signal} # tasks are asked so early to save their state, in seconds
{array} # tasks that one array may hold (MaxArraySize)
# max_jobs: 500               # jobs that one user may have queued, if that is limited

# What a job may ask for, of the largest node of each partition; without a key: no limit is known.
partitions:
{partitions}
"""


def detected_text(found: Detected, name: str, partition: str | None = None) -> str:
    """The commented profile of a cluster that was detected; `name` is what --profile takes."""
    partitions = found.profile.partitions.items()
    return _TEMPLATE.format(
        cluster=found.cluster,
        version=found.version,
        name=name,
        partition=_partition_line(found.profile, partition),
        signal=f"signal_s: {found.profile.signal_s}".ljust(29),
        array=f"array_size: {found.profile.array_size}".ljust(29),
        partitions="\n".join(_limits_line(key, one, found.notes[key]) for key, one in partitions),
    )


def _partition_line(profile: Profile, chosen: str | None) -> str:
    if chosen is not None:
        return f"partition: {as_yaml(chosen)}"
    default = next((key for key, one in profile.partitions.items() if one.default), None)
    known = default or next(iter(profile.partitions))
    meant = f"without it: {default}, the default" if default else "there is no default: choose one"
    return f"# partition: {known}".ljust(29) + f" # {meant}"


def _limits_line(name: str, partition: Partition, note: str) -> str:
    limits = partition.model_dump(mode="json", exclude_defaults=True)
    inner = ", ".join(f"{key}: {as_yaml(value)}" for key, value in limits.items())
    return f"  {_key(name)}: {{{inner}}}  # {note}"


def profile_text(profile: Profile) -> str:
    """A profile with every default, and of its stages what each of them comes to."""
    stages = {stage: _whole_stage(profile, stage) for stage in profile.stages}
    whole = profile.model_copy(update={"stages": stages}).model_dump(mode="json")
    order = sorted(whole, key=lambda key: (key != "version", key != "executor"))
    return "\n".join(_lines({key: whole[key] for key in order})) + "\n"


def _whole_stage(profile: Profile, stage: str) -> StageOptions:
    options = profile.options(stage).model_dump()
    # General parameters that the stage goes without would come back otherwise.
    options["sbatch"] = {**dict.fromkeys(profile.sbatch), **options["sbatch"]}
    return StageOptions(**options)


def _lines(values: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{_key(key)}:"
            yield from _lines(value, f"{indent}  ")
        elif isinstance(value, list) and value:
            yield f"{indent}{_key(key)}:"
            yield from (f"{indent}  - {as_yaml(one)}" for one in value)
        else:
            yield f"{indent}{_key(key)}: {as_yaml(value)}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w.+-]+", name) else json.dumps(name, ensure_ascii=False)
