"""The reference page of the job spec, `docs/jobspec.md`, written from the models.

`python -m ptychopinn_batch.speclang.reference > docs/jobspec.md` brings the page up to date; a test
fails while it is not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from ptychopinn_batch.speclang.expected import as_yaml, expected
from ptychopinn_batch.speclang.language import Node
from ptychopinn_batch.speclang.schema import node_at
from ptychopinn_batch.speclang.yamltree import KeyPath

INTRODUCTION = """\
# The job spec, version 1

<!-- Made by `python -m ptychopinn_batch.speclang.reference > docs/jobspec.md`: do not edit. -->

A job spec is one YAML file: which scans, which network, what to do with them, what to write.

```yaml
version: 1
name: fly64
scans:
  - path: data/fly64.npz
infer: {steps: 16}
```

`ptychopinn-batch init NAME` writes a commented one, `ptychopinn-batch validate FILE` checks it and
`ptychopinn-batch schema` prints its JSON Schema, with which editors complete and check keys while
you type. Unknown keys are errors. A key that is left out has its default. Units stand in square
brackets. `1e-3` is a number here, and `04:00:00` a time without quotes; text such as `"32"` that
would otherwise be a number needs them.
"""

LISTS = "scans", "stages"

OVERRIDES = """\
## Overrides: `--set` and `--profile`

`--set KEY=VALUE` replaces the value of any key; the value is YAML, entries of a list are counted
from 0, and the option may be given many times:

    ptychopinn-batch submit fly64.yaml --set train.epochs=3 --set 'export=[png]'
    ptychopinn-batch submit fly64.yaml --set scans.0.path=data/other.npz
    ptychopinn-batch submit fly64.yaml --set train=null --set sweep=null

Setting `path` of a scan takes the place of its `simulate`, and the other way round.
`--profile NAME` applies a set of such overrides from the spec itself, before every `--set`. Without
it a profile named `local` is applied where there is one; `--profile none` applies none:

```yaml
version: 1
name: fly64
scans:
  - path: data/fly64.npz
train: {epochs: 50}
profiles:
  local: {train.epochs: 2, scans.0.frames: 200}
```
"""

SWEEP = """\
A sweep makes one variant of the spec for every point. Keys are dotted; they begin with `seed`,
`scans`, `model`, `train`, `refine` or `infer`. Results of a variant lie in a folder named after its
point, such as `infer.steps=8,train.lr=0.002`; without a sweep the one variant is `default`. Stages
whose settings are the same in several variants run once.

Every combination of values (6 variants):

```yaml
version: 1
name: combinations
scans: [{path: data/fly64.npz}]
train: {epochs: 50}
sweep:
  infer.steps: [8, 16, 32]
  train.lr: [2e-3, 5e-4]
```

First values together, then the second ones (2 variants):

```yaml
version: 1
name: together
scans: [{path: data/fly64.npz}]
train: {epochs: 50}
sweep:
  zip:
    train.epochs: [10, 50]
    train.lr: [2e-3, 5e-4]
```

Every variant written out (2 variants):

```yaml
version: 1
name: one-by-one
scans: [{path: data/fly64.npz}]
sweep:
  list:
    - {infer.steps: 8}
    - {infer.steps: 32, train.epochs: 10}
```
"""


def reference_page() -> str:
    """The whole page as Markdown."""
    return "\n".join([INTRODUCTION, *_sections(()), OVERRIDES]).rstrip() + "\n"


def _sections(path: KeyPath) -> Iterator[str]:
    """A section for the mapping at `path`, then those of the mappings in it."""
    node = node_at(path) or {}
    yield _section(path, node)
    for name in node["properties"]:
        inner = (*path, name, 0) if name in LISTS else (*path, name)
        if name == "sweep":
            yield f"{_heading(inner)}\n\n{SWEEP}"
        elif "properties" in (node_at(inner) or {}):
            yield from _sections(inner)


def _section(path: KeyPath, node: Node) -> str:
    rows = "\n".join(_row(path, name) for name in node["properties"])
    about = node["about"] if path else "The keys of the top level:"
    table = f"| key | value | default | meaning |\n|---|---|---|---|\n{rows}\n"
    return f"{_heading(path)}\n\n{about}\n\n{table}" if path else f"{about}\n\n{table}"


def _heading(path: KeyPath) -> str:
    return f"## `{'.'.join(map(str, path)).replace('.0', '[]')}`"


def _row(path: KeyPath, name: str) -> str:
    node = node_at((*path, name)) or {}
    nested = "properties" in node or "oneOf" in node or name == "profiles"
    if name in (node_at(path) or {}).get("required", []):
        default = "required"
    else:
        default = "" if nested and node.get("default") is not None else _default(node)
    cells = (f"`{name}`", expected(node), default, node.get("description", ""))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(node: Node) -> str:
    return f"`{as_yaml(node.get('default'))}`"


if __name__ == "__main__":
    sys.stdout.write(reference_page())
