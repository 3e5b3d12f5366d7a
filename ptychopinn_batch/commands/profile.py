"""`profile`: make, find and show the profiles of clusters."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from hpc.errors import UserError
from hpc.fsio import write_atomic
from hpc.slurm.detect import Detected, run_command
from hpc.slurm.detect import detect as detect_cluster
from ptychopinn_batch.cluster.file import (
    FOLDER,
    SUFFIXES,
    cluster_folders,
    find_cluster,
    known_clusters,
    no_cluster,
    read_cluster,
)
from ptychopinn_batch.cluster.text import detected_text, profile_text
from ptychopinn_batch.commands.init import refuse_existing
from ptychopinn_batch.commands.text import columns, shown_path


@click.group()
def profile() -> None:
    """Make and look at profiles: what is particular to a cluster, beside portable job specs.

    `submit --profile NAME` uses NAME.yaml from profiles/ beside the spec, profiles/ here, or the
    user's own folder.

    Example: ptychopinn-batch profile detect
    """


@profile.command(short_help="Write a profile of the cluster here.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help=f"Where to write it.  [default: {FOLDER}/CLUSTER.yaml]",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--partition", metavar="NAME", help="Partition for all stages.")
def detect(output: Path | None, force: bool, partition: str | None) -> None:
    """Write a commented profile of the cluster whose SLURM is on this machine.

    Example: ptychopinn-batch profile detect --partition gpu
    """
    if output is not None:
        refuse_existing(output, force)
    found = detect_cluster(run_command)
    _check_partition(found, partition)
    file = output or Path(FOLDER, f"{found.cluster}.yaml")
    if output is None:
        if not file.parent.exists():
            file.parent.mkdir()
        refuse_existing(file, force)
    write_atomic(file, detected_text(found, _called(file), partition))
    names = ", ".join(found.profile.partitions)
    click.echo(f"Wrote {file}: cluster {found.cluster}, partitions {names}")
    click.echo(f"Next: look at it, then ptychopinn-batch plan SPEC --profile {_called(file)}")


def _check_partition(found: Detected, name: str | None) -> None:
    known = list(found.profile.partitions)
    if name is not None and name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        mend = f"Did you mean '{close[0]}'?" if close else f"There are: {', '.join(known)}"
        raise UserError(
            f"there is no partition '{name}'", where=f"cluster {found.cluster}", mend=mend
        )


def _called(file: Path) -> str:
    """What to say to --profile: its name where it is found by that, else the path."""
    is_found = file.absolute().parent in cluster_folders(Path.cwd()) and file.suffix == ".yaml"
    path = str(file) if file.suffix in SUFFIXES or "/" in str(file) else f"./{file}"
    return file.stem if is_found else path


@profile.command(short_help="Print a profile as it is understood.")
@click.argument("name")
def show(name: str) -> None:
    """Print the profile NAME with every default, each stage with what it comes to.

    Example: ptychopinn-batch profile show polaris
    """
    file = find_cluster(name, Path.cwd())
    if file is None:
        raise no_cluster(name, Path.cwd())
    found = read_cluster(file)
    click.echo(f"# From {shown_path(file)}\n{profile_text(found)}", nl=False)


@profile.command("list", short_help="List the profiles that are found.")
def list_profiles() -> None:
    """List the profiles that are found by their names, from here.

    Example: ptychopinn-batch profile list
    """
    folders = cluster_folders(Path.cwd())
    found = known_clusters(folders)
    if found:
        rows = [(name, shown_path(file)) for name, file in sorted(found.items())]
        click.echo("\n".join(columns(("profile", "file"), rows)))
    else:
        searched = ", ".join(map(shown_path, folders))
        click.echo(f"No profiles in {searched}. Make one: ptychopinn-batch profile detect")
