"""The quality bench: networks and iterative engines on many scans, judged by the same measures.

    python benchmarks/quality.py [--ptychi VENV/bin/python] [--also FOLDER] [--out FOLDER]

Every method is given the same frames of a scan, all but some that are held out, and starts from an
object of 1. Engines of pty-chi (`pip install 'ptychi>=2.2'` in an environment of its own) are given
multiples of the time that the network took on the same scan with the same threads: only their
sweeps are timed, each budget ends with the sweep in which it ran out. One thing is measured at a
time. What is measured is recorded at once: the same command goes on where it was interrupted.

--out: records.jsonl, bench.json (figures, machine, versions), quality.md (all tables, and answers),
pictures/. The measures are explained in `ptychopinn_batch/fidelity.py`; methods in
`quality_bench/methods.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

import torch
from machine import describe
from quality_bench import verdicts
from quality_bench.bench import Bench, Plan
from quality_bench.engines import Engines
from quality_bench.methods import DEFAULT, EngineMethod, Method, NetworkMethod, parse_method
from quality_bench.pictures import Gallery, draw_curves
from quality_bench.records import Records, Row
from quality_bench.scenes import Scene, own_scenes, scenes_beside
from quality_bench.table import brief_table, table

from hpc.errors import UserError
from hpc.fsio import write_atomic
from ptychopinn_batch.provenance import Provenance

OVERVIEW = ("siemens_star_128", "photo_1e6", "lens")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--out", type=Path, default=Path("quality"), metavar="FOLDER")
    add("--methods", nargs="+", metavar="METHOD", help=f"default: {' '.join(DEFAULT)}")
    add("--scenes", nargs="+", default=["*"], metavar="PATTERN", help="only scans of these names")
    add("--seeds", type=int, default=1, help="so many of each simulated scan, or of a training")
    add("--also", type=Path, metavar="FOLDER", help="with run1084 and ducky, as far as they are")
    add("--ptychi", type=Path, metavar="PYTHON", help="interpreter of pty-chi's environment")
    add("--budgets", type=float, nargs="+", default=[1.0, 10.0], help="of engines")
    add("--pace", default="shipped:16", metavar="METHOD", help="whose time is budget 1")
    add("--held-out", type=float, default=0.05, metavar="SHARE", help="of the frames")
    add("--halves", action="store_true", help="also reconstruct half-scans apart")
    add("--threads", type=int, default=os.cpu_count() or 1)
    add("--overview", type=Path, metavar="FILE.png", help=f"picture of {', '.join(OVERVIEW)}")
    add("--list", action="store_true", help="name scans and methods, and end")
    add("--report", action="store_true", help="measure nothing: tables of what is known")
    return parser.parse_args()


def plan_of(asked: argparse.Namespace) -> Plan:
    """What is asked for; UserError where it cannot be done."""
    pace = parse_method(asked.pace)
    if not isinstance(pace, NetworkMethod):
        raise UserError(f"{asked.pace} is no network", where="--pace", mend="Name one")
    return Plan(
        scenes=tuple(scenes_of(asked.scenes, asked.also)),
        methods=tuple(methods_of(asked.methods, asked.ptychi)),
        pace=pace,
        budgets=tuple(sorted(asked.budgets)),
        seeds=asked.seeds,
        held_out=asked.held_out,
        halves=asked.halves,
        threads=asked.threads,
        engines=Engines(asked.ptychi, asked.threads) if asked.ptychi else None,
    )


def scenes_of(patterns: Sequence[str], also: Path | None) -> Sequence[Scene]:
    known = [*own_scenes(), *(scenes_beside(also) if also else ())]
    chosen = [scene for scene in known if any(fnmatch(scene.name, p) for p in patterns)]
    if not chosen:
        names = ", ".join(scene.name for scene in known)
        raise UserError("no scan has such a name", where="--scenes", mend=f"There are {names}")
    return chosen


def methods_of(texts: Sequence[str] | None, ptychi: Path | None) -> Iterator[Method]:
    """Those asked for; by default engines only where there is an interpreter for them."""
    for text in texts or DEFAULT:
        method = parse_method(text)
        if texts or ptychi or not isinstance(method, EngineMethod):
            yield method


def report(bench: Bench, machine: Provenance, out: Path, overview: Path | None) -> None:
    """Tables to the terminal and everything to files."""
    rows, plan = bench.rows(), bench.plan
    answers = verdicts.summary(rows, plan.pace.label)
    lines = [*answers, "", *brief_table(rows), "", *table(rows)] if rows else []
    text = "\n".join(lines) + "\n"
    print("\n" + text)
    versions = {"ptychi": plan.engines.version()} if plan.engines else {}
    found = {
        "machine": machine.model_dump(mode="json"),
        "threads": plan.threads,
        "versions": versions,
        "rows": [row.model_dump(mode="json") for row in rows],
    }
    write_atomic(out / "bench.json", json.dumps(found, indent=1) + "\n")
    write_atomic(out / "quality.md", _head(machine, plan, versions) + text)
    draw(bench, rows, out / "pictures", overview)


def _head(machine: Provenance, plan: Plan, versions: dict[str, str]) -> str:
    both = {
        **{k: machine.versions[k] for k in ("python", "torch") if k in machine.versions},
        **versions,
    }
    names = ", ".join(f"{name} {version}" for name, version in both.items())
    return f"{machine.cpu}, {plan.threads} threads; {names}; {machine.created[:10]}.\n\n"


def draw(bench: Bench, rows: Sequence[Row], folder: Path, overview: Path | None) -> None:
    for scene in dict.fromkeys(row.scene for row in rows):
        shown = [row for row in rows if row.scene == scene and row.seed == 0]
        bench.gallery.draw_scene(shown, folder / f"{scene}.png")
    if rows:
        draw_curves(rows, folder / "curves.png")
    if overview:
        paced = {row.scene: row for row in rows if row.label == bench.plan.pace.label}
        bench.gallery.draw_overview([paced[name] for name in OVERVIEW if name in paced], overview)


def main() -> int:
    asked = arguments()
    try:
        plan = plan_of(asked)
        if asked.list:
            print("\n".join(f"{scene.name:<18} {scene.about}" for scene in plan.scenes))
            return 0
        torch.set_num_threads(plan.threads)
        machine = describe()
        asked.out.mkdir(parents=True, exist_ok=True)
        bench = Bench(plan, Records(asked.out / "records.jsonl"), Gallery(asked.out / "objects"))
        if not asked.report:
            bench.run()
        report(bench, machine, asked.out, asked.overview)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    for failure in bench.failures:
        print(failure, file=sys.stderr)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
