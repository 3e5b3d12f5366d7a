"""`refine`: the probe and the positions that frames ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hpc.paths import RunPaths
from ptychopinn_batch.api.progress import Progress, silent
from ptychopinn_batch.api.scan import LoadedScan, check_as_loaded
from ptychopinn_batch.api.spec import NAME, Begin, ModelLike, refinement_of


def refine(
    scan: LoadedScan,
    model: ModelLike = "default",
    *,
    seed: int = 0,
    runs: str | Path = "runs",
    progress: Progress | None = None,
    **keys: Any,
) -> LoadedScan:
    """The same scan with the probe and the positions that its frames ask for.

    keys: as in `refine` of a job spec, such as modes, positions. What is found is kept below
    `runs`, beside the scan's store. seed: of a new network. progress is told of parts.
    """
    from ptychopinn_batch.data.build import whole_store
    from ptychopinn_batch.inference import best_device
    from ptychopinn_batch.stages.refine import refined

    check_as_loaded(scan, "refine")
    begin = Begin.of(model, runs)
    spec = begin.spec("refine", seed, [scan.source], refine=keys)
    params, folder = refinement_of(spec, scan.facts, begin, RunPaths(Path(runs), NAME))
    store = whole_store(folder)
    if store is None:
        network = begin.network(spec).to(best_device()).eval()
        store = refined(scan.store, network, params, folder, progress or silent)
    return LoadedScan(scan.source, replace(scan.facts, canvas=params.canvas), store)
