"""From the variants of a spec to the tasks of its run. Pure: facts come in, tasks come out.

    [check(scan) ->] prepare(scan) -> train(variant) -> [refine(variant, scan) ->]
                     infer(variant, scan, block) -> finalize(variant, scan)
                     train(variant) -> package(variant)

Parameters hold all that decides a result and nothing else, so that a task's key changes exactly
when its result may. Variants whose parameters are equal share the task. A shared task is named
after the keys of the sweep that reach it: another sweep over `infer` renames no training. A task
needs all those whose outputs it reads: so a plan knows whom a lost output matters to. Beside these,
whatever reads a scan's store waits for a check that may stop it; no key holds that, for it changes
no result.
"""

from ptychopinn_batch.pipeline.graph import build_tasks

__all__ = ["build_tasks"]
