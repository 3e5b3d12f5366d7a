"""Parameters of `sbatch` that a profile may add, and those that are set elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from hpc.record import wrong

__all__ = ["MANAGED", "Parameter", "SbatchValue"]

Line = Annotated[
    str,
    Field(
        pattern=r"^[^\x00-\x1f\x7f]*$",
        json_schema_extra={"patternErrorMessage": "text on one line"},
    ),
]
SbatchValue = Line | int | float | bool

_GROUPS: Mapping[str, str] = {
    "partition": "Write the key partition of the profile",
    "account": "Write the key account of the profile",
    "qos": "Write the key qos of the profile",
    "constraint": "Write the key constraint of the profile",
    "reservation": "Write the key reservation of the profile",
    "mail-user mail-type": "Write the key mail of the profile",
    "signal": "Write the key signal_s of the profile",
    "time time-min": "Write resources.STAGE.time in the job spec",
    "mem mem-per-cpu mem-per-gpu": "Write resources.STAGE.mem_gb in the job spec",
    "cpus-per-task cpus-per-gpu": "Write resources.STAGE.cpus in the job spec",
    "gpus gpus-per-node gpus-per-task": "Write resources.STAGE.gpus in the job spec",
    "gpus-per-socket": "Write resources.STAGE.gpus in the job spec",
    "nodes": "Write train.nodes in the job spec",
    "ntasks ntasks-per-node ntasks-per-gpu": "Write train.devices in the job spec",
    "array": "Write resources.STAGE.array_parallelism in the job spec",
    "job-name": "Write the name in the job spec",
    "output error open-mode": "Remove it: every task has its log in the folder of the run",
    "dependency kill-on-invalid-dep": "Remove it: the order of tasks is kept anyhow",
    "requeue no-requeue": "Remove it: what ended early is tried again where that helps",
    "export export-file get-user-env": "Remove it, and set variables in lines below setup",
    "chdir": "Remove it: tasks find their files wherever they work",
    "exclude": "Remove it: nodes that failed are left out anyhow",
    "clusters cluster": "Remove it, and submit on a node of that cluster",
    "comment parsable wait wrap test-only quiet verbose": "Remove it",
}
MANAGED: Mapping[str, str] = {
    name: mend for names, mend in _GROUPS.items() for name in names.split()
}
"""Parameters that `sbatch` of a profile may not hold, and what to do in their place."""


def _parse_parameter(name: str) -> str:
    plain = name.lstrip("-").replace("_", "-").lower()
    if plain in MANAGED:
        raise wrong("", "this parameter is set elsewhere", MANAGED[plain])
    if name != plain or not re.fullmatch(r"[a-z][a-z0-9-]+", plain):
        mend = f"Write {plain}" if plain != name else "Write its long name"
        raise wrong("", "Expected a long option of sbatch, without its dashes", mend)
    return name


Parameter = Annotated[str, AfterValidator(_parse_parameter)]
