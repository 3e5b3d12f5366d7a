"""The tables of a profile's keys in `docs/cluster.md`, written from the models.

`python -m ptychopinn_batch.cluster.reference` prints them; a test fails while the page has others.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from hpc.slurm.profile import Options
from ptychopinn_batch.cluster.file import cluster_language
from ptychopinn_batch.speclang.expected import as_yaml, expected
from ptychopinn_batch.speclang.yamltree import KeyPath

HEAD = "| key | value | default | meaning |\n|---|---|---|---|\n"
OPTIONS = "These say how jobs are handed to SLURM; they may stand below `stages.NAME` too:"


def key_tables() -> str:
    """Every key with what it expects, its default and its meaning, as Markdown."""
    options = tuple(Options.model_fields)
    top = [key for key in cluster_language().siblings(("version",)) if key not in options]
    return "\n".join(
        [
            _table((), top),
            f"{OPTIONS}\n",
            _table((), options),
            "### `container`\n",
            _table(("container",)),
            "### `mail`\n",
            _table(("mail",)),
            "### `partitions.NAME`\n",
            _table(("partitions", "NAME")),
        ]
    )


def _table(path: KeyPath, keys: Iterable[str] | None = None) -> str:
    names = cluster_language().siblings((*path, "")) if keys is None else keys
    return HEAD + "".join(_rows(path, names))


def _rows(path: KeyPath, names: Iterable[str]) -> Iterator[str]:
    required = (cluster_language().node_at(path) or {}).get("required", [])
    for name in names:
        node = cluster_language().node_at((*path, name)) or {}
        default = "required" if name in required else f"`{as_yaml(node.get('default'))}`"
        cells = (f"`{name}`", expected(node), default, node.get("description", ""))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    sys.stdout.write(key_tables())
