"""`check`: can a scan be trusted, before a night is spent on it?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ptychopinn_batch.cli import Exit
from ptychopinn_batch.commands.scanoptions import scan_of

if TYPE_CHECKING:
    from ptychopinn_batch.jobspec import Scan
    from ptychopinn_batch.verdict.evidence import Evidence
    from ptychopinn_batch.verdict.findings import Verdict

SPECS = (".yaml", ".yml")


@click.command()
@click.argument("file", metavar="FILE|SPEC", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "sets",
    metavar="KEY=VALUE",
    multiple=True,
    help="A key of `scans:` such as crop=256; with a SPEC, any of its keys; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the same for programs, with figures.")
def check(file: Path, sets: tuple[str, ...], as_json: bool) -> int:
    """Tell whether FILE, a scan in any format, or every scan of a job SPEC can be trusted: axes,
    pixel size, positions, probe, coherence, detector, overlap and light, from the frames alone.

    Looks at frames around the middle, which takes seconds. Exit code 1 where a scan is bad.

    Example: ptychopinn-batch check scan.npz --set swap_xy=true
    """
    from ptychopinn_batch.verdict.glance import glance
    from ptychopinn_batch.verdict.judge import judge_scan

    bad = False
    for scan in _scans(file, sets):
        evidence = glance(scan)
        verdict = judge_scan(evidence)
        bad = bad or verdict.judgement == "bad"
        click.echo(
            _as_json(scan, verdict, evidence)
            if as_json
            else "\n".join(_lines(scan, verdict, evidence))
        )
    return Exit.FAILED if bad else Exit.OK


def _scans(file: Path, sets: tuple[str, ...]) -> tuple[Scan, ...]:
    """The scan in a file, or all of a spec, each once."""
    from ptychopinn_batch.speclang.file import load_spec
    from ptychopinn_batch.speclang.variants import expand

    if file.suffix.lower() not in SPECS:
        return (scan_of(file, sets),)
    variants = expand(load_spec(file, sets))
    return tuple(dict.fromkeys(scan for variant in variants for scan in variant.spec.scans))


def _as_json(scan: Scan, verdict: Verdict, evidence: Evidence) -> str:
    """One line for each scan."""
    import json

    found = {
        "scan": scan.path or scan.name,
        "verdict": verdict.model_dump(mode="json"),
        "evidence": evidence.model_dump(mode="json"),
    }
    return json.dumps(found)


def _lines(scan: Scan, verdict: Verdict, evidence: Evidence) -> Iterator[str]:
    yield f"{scan.path or scan.name}: {verdict.judgement}"
    yield from (f"  {label:<13} {text}" for label, text in _figures(evidence))
    yield ""
    for found in verdict.findings:
        yield f"  - {found.judgement}, {found.fault}: {found.reason}."
        if found.mend:
            yield f"    {found.mend}."


def _figures(evidence: Evidence) -> Iterator[tuple[str, str]]:
    from ptychopinn_batch.verdict.limits import PREDICTS

    tried, halves = evidence.placements, evidence.halves
    yield "looked at", f"{evidence.frames} frames around the middle"
    noise = f", counting noise alone {tried.floor:.4f}" if evidence.sampling.counts else ""
    yield "left out", f"R = {tried.stated:.4f} (an empty object {tried.empty:.4f}{noise})"
    if halves is not None:
        size = halves.resolution_m
        metres = "" if size is None else f", a half period of {size * 1e9:.3g} nm"
        yield "two halves", f"agree up to {halves.limit:.2f} of Nyquist{metres}"
    settling = evidence.settling
    if settling is not None and tried.share(min(settling.left.values())) < PREDICTS:
        found = ", ".join(f"{left:.4f} after {steps}" for steps, left in settling.left.items())
        yield "steps", f"{settling.enough} are enough (left out: R = {found})"
    shifts, probe = evidence.positions, evidence.probe
    yield "positions", f"shifts of {shifts.shift_rms:.2f} px r.m.s. {_gain(shifts.explained.share)}"
    yield "probe", f"a change of {probe.change:.0%} {_gain(probe.explained.share)}"


def _gain(share: float) -> str:
    return f"explain {max(share, 0.0):.0%} of what is beyond noise"
