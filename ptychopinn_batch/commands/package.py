"""`package`: packaged networks shown, checked, compared, listed, and changed into other formats."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Literal, TypeVar, get_args

import click

from hpc.errors import UserError
from hpc.paths import RunPaths
from ptychopinn_batch.cli import Exit
from ptychopinn_batch.client.model import check_model, copy_model
from ptychopinn_batch.commands.init import refuse_existing
from ptychopinn_batch.commands.options import runs_option
from ptychopinn_batch.commands.text import shown_path
from ptychopinn_batch.jobspec import ModelExport
from ptychopinn_batch.package import (
    WEIGHTS,
    Comparison,
    Manifest,
    Registry,
    read_manifest,
    refuse_others,
)
from ptychopinn_batch.package.registry import ADDRESS, resolve_pretrained

F = TypeVar("F", bound=Callable[..., object])
PACKAGE = "PACKAGE"
FIGURES = "validation", "epochs"  # by which a list of packages tells them apart


@click.group()
def package() -> None:
    """Show, check, compare and convert packaged networks.

    A PACKAGE is the folder of one, 'default' for the shipped one, or sha256:DIGEST, shortened at
    will, for one of those that all runs share in runs/.models.

    Example: ptychopinn-batch package show default
    """


@package.command()
@click.argument("name", metavar=PACKAGE)
@runs_option
@click.option("--json", "as_json", is_flag=True, help="Print its manifest, for programs.")
def show(name: str, runs: Path, as_json: bool) -> None:
    """Show where a network comes from, and how good it was found to be.

    Example: ptychopinn-batch package show runs/quickstart/models/default
    """
    folder = find(name, runs)
    manifest = read_manifest(folder)
    if as_json:
        record = {**manifest.model_dump(mode="json"), "identity": manifest.identity}
        click.echo(json.dumps(record, indent=2))
        return
    for key, value in _facts(manifest, folder):
        click.echo(f"{key:<14}{value}")


@package.command()
@click.argument("names", metavar=f"{PACKAGE}...", nargs=-1, required=True)
@runs_option
def verify(names: tuple[str, ...], runs: Path) -> None:
    """Check packages: every byte, whether the weights fit, whether other formats hold the same.

    Example: ptychopinn-batch package verify runs/quickstart/models/*
    """
    from ptychopinn_batch.package import verify_package

    faults: list[UserError] = []
    for name in names:
        try:
            manifest = verify_package(find(name, runs))
        except UserError as error:
            faults.append(error)
            continue
        click.echo(f"{name}: whole, {len(manifest.files)} files, identity {manifest.identity[:12]}")
    if len(faults) > 1:
        lines = "".join(f"\n  {fault}" for fault in faults)
        raise UserError(f"{len(faults)} of {len(names)} packages are not whole:{lines}")
    if faults:
        raise faults[0]


@package.command()
@click.argument("first", metavar=PACKAGE)
@click.argument("second", metavar=PACKAGE)
@runs_option
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
def diff(first: str, second: str, runs: Path, as_json: bool) -> int:
    """Compare two packages. The exit code is 0 if they give the same results, else 1.

    Example: ptychopinn-batch package diff default runs/quickstart/models/default
    """
    from ptychopinn_batch.package import compare_packages

    found = compare_packages(find(first, runs), find(second, runs))
    click.echo(json.dumps(asdict(found), indent=2) if as_json else _told(found))
    return Exit.OK if found.same else Exit.FAILED


@package.command("list")
@runs_option
def list_(runs: Path) -> None:
    """List the packages that all runs share.

    Example: ptychopinn-batch package list
    """
    for place in _registry(runs).packages():
        manifest = read_manifest(place)
        told = [name for name in FIGURES if name in manifest.metrics]
        figures = ", ".join(f"{name} {manifest.metrics[name]:.4g}" for name in told)
        created = manifest.provenance.created[:10]
        click.echo(
            f"{ADDRESS}{place.name[:12]}  {created}  {manifest.architecture:<9} "
            f"{manifest.name}  {figures}".rstrip()
        )


@package.command()
@click.argument("name", metavar=PACKAGE)
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--format",
    "kind",
    type=click.Choice(get_args(ModelExport)),
    required=True,
    help="bundle: a wts.h5.zip that PtychoPINN loads, of a 'cnn' network; safetensors: tensors "
    "that are read without torch.",
)
@runs_option
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
def export(name: str, out: Path, kind: ModelExport, runs: Path, force: bool) -> None:
    """Write the weights of a package to OUT in another format.

    Example: ptychopinn-batch package export default weights.safetensors --format safetensors
    """
    from ptychopinn_batch.files import whole_file
    from ptychopinn_batch.package import write_format

    folder = find(name, runs)
    refuse_existing(out, force)
    with whole_file(out) as new:
        write_format(kind, folder, new)
    click.echo(f"Wrote {shown_path(out)}")


@package.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--trust", is_flag=True, help="Read a pickled file. Nothing in it is run.")
@click.option(
    "--input",
    "measurement",
    type=click.Choice(["amplitude", "counts"]),
    help="What its network takes in, where the file does not say it.",
)
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
def import_(
    file: Path,
    out: Path,
    trust: bool,
    measurement: Literal["amplitude", "counts"] | None,
    force: bool,
) -> None:
    """Make a package of a network that PtychoPINN trained: a wts.h5.zip or a .ckpt; or of the
    .pth and its manifest that Ptychodus keeps of one of ours.

    Example: ptychopinn-batch package import wts.h5.zip models/theirs --trust
    """
    refuse_existing(out, force)
    refuse_others(out)
    if file.suffix == Path(WEIGHTS).suffix:
        manifest = package_of_pair(file, out)
    else:
        manifest = _imported(file, out, trust, measurement)
    click.echo(f"Wrote {shown_path(out)}, identity {manifest.identity[:12]}")


def package_of_pair(weights: Path, folder: Path) -> Manifest:
    """The package of two files that lie among others; UserError where they are none."""
    from ptychopinn_batch.files import whole_folder

    try:
        check_model(weights)
        with whole_folder(folder) as new:
            copy_model(weights, new / WEIGHTS)
            return read_manifest(new)
    except (FileNotFoundError, ValueError) as error:
        mend = f"Name a .pth with the manifest that {WEIGHTS} of a package has"
        raise UserError(str(error), where=str(weights), mend=mend) from None


def _imported(
    file: Path, folder: Path, trust: bool, measurement: Literal["amplitude", "counts"] | None
) -> Manifest:
    """The package of a network of PtychoPINN's."""
    from ptychopinn_batch.legacy.foreign import read_foreign
    from ptychopinn_batch.package import Training, save_package

    network = read_foreign(file, trust=trust, measurement=measurement)
    return save_package(
        folder,
        network,
        name=file.name,
        seed=0,
        training=Training(train=None, start=None, data=()),
        metrics={},
    )


def find(name: str, runs: Path) -> Path:
    """The folder of a package that a command names; UserError where there is none."""
    try:
        return resolve_pretrained(name, Path.cwd(), _registry(runs))
    except UserError as error:
        raise UserError(error.what, where=name, mend=error.mend) from None


def _registry(runs: Path) -> Registry:
    return Registry(RunPaths(runs, "any").models)


def _facts(manifest: Manifest, folder: Path) -> list[tuple[str, str]]:
    training, made = manifest.training, manifest.provenance
    source = f", commit {made.source.commit[:12]}" if made.source else ""
    version = made.versions.get("ptychopinn-batch", "an unknown version")
    return [
        ("name", manifest.name),
        ("folder", shown_path(folder)),
        ("architecture", manifest.architecture),
        ("settings", _inline(manifest.settings)),
        ("identity", manifest.identity),
        ("address", f"{ADDRESS}{manifest.digest}"),
        ("trained", _inline(training.train) if training.train else "no"),
        ("started from", training.start or "random weights"),
        ("scans", ", ".join(training.data) or "none"),
        ("seed", str(manifest.seed)),
        *(("metric", f"{name} = {value:.6g}") for name, value in manifest.metrics.items()),
        (
            "made",
            f"{made.created} on {made.host} by {version}{source}",
        ),
        *(
            ("file", f"{name}  {entry.size:,} bytes  sha256 {entry.sha256[:12]}")
            for name, entry in manifest.files.items()
        ),
    ]


def _inline(values: object) -> str:
    return json.dumps(values).strip("{}").replace('"', "")


def _told(found: Comparison) -> str:
    lines = ["The same network." if found.same else "Different networks."]
    lines += [f"  {d.name}: {_inline(d.first)} -> {_inline(d.second)}" for d in found.fields]
    lines += [
        f"  {d.name}: differs by up to {d.distance:.3g} (largest value {d.largest:.3g})"
        for d in found.tensors
    ]
    return "\n".join(lines)
