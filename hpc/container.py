"""A container as a profile states it, and the command that runs something inside it.

The image is one file of Apptainer (SIF). SLURM's variables reach the inside, and so does what a
user has exported: nothing here clears the environment.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from hpc.errors import UserError
from hpc.fsio import sha256_file
from hpc.record import Record, wrong

__all__ = [
    "HOST_ROOT",
    "IMAGE_DIGEST",
    "Container",
    "check_bindable",
    "check_program",
    "inside",
    "is_inside",
    "nested",
    "own_image",
    "pinned",
    "python_inside",
]

HOST_ROOT = Path("/host")
"""Where the host's root folder lies inside: the image's `sbatch` starts the host's from there."""

IMAGE_DIGEST = "HPC_IMAGE_SHA256"
"""Variable that tells what runs inside which image it is."""

# What would take from a task its files, its signals or SLURM's variables, and why not.
_REFUSED = {
    "--cleanenv": "tasks know themselves by SLURM's variables",
    "-e": "tasks know themselves by SLURM's variables",
    "--contain": "tasks need the host's /tmp and /dev/shm",
    "-c": "tasks need the host's /tmp and /dev/shm",
    "--containall": "tasks need the host's processes, /tmp and /dev/shm",
    "-C": "tasks need the host's processes, /tmp and /dev/shm",
    "--pid": "tasks are told from each other by the host's process ids",
    "-p": "tasks are told from each other by the host's process ids",
}
_OWN = {"--bind": "binds", "-B": "binds", "--nv": "nv"}

Bind = Annotated[
    str,
    Field(
        pattern=r"^[^\s,:]+(:[^\s,:]+(:(ro|rw))?)?$",
        json_schema_extra={
            "patternErrorMessage": "FOLDER, FOLDER:INSIDE or FOLDER:INSIDE:ro, without spaces "
            "and commas"
        },
        examples=["/scratch"],
    ),
]


class Container(Record):
    """The image that every task runs in, and how it is entered."""

    image: str = Field(
        min_length=1,
        description="file of the image; relative to the folder of the profile",
        examples=["ptychopinn-batch.sif"],
    )
    binds: tuple[Bind, ...] = Field(
        (),
        strict=False,
        description="folders to have inside, beside the home folder, /tmp, the working folder and "
        "that of all runs",
    )
    nv: bool = Field(False, description="have NVIDIA's GPUs and their driver inside (--nv)")
    options: tuple[str, ...] = Field(
        (), strict=False, description="more options of `apptainer exec`, one word each"
    )
    program: Literal["apptainer", "singularity"] = Field(
        "apptainer", description="the command that enters it, on PATH on every node"
    )
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="SHA-256 that the image must have; null: any"
    )

    @field_validator("options")
    @classmethod
    def _harmless(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for word in value:
            name = word.partition("=")[0]
            if name in _REFUSED:
                raise wrong("", f"{name} cannot be used, for {_REFUSED[name]}", "Remove it")
            if name in _OWN:
                raise wrong("", f"{name} is set elsewhere", f"Write the key {_OWN[name]}")
        return value


def pinned(container: Container, folder: Path, where: str) -> Container:
    """The container with its image's full path and digest; relative paths start at `folder`.

    UserError where the image is not there, cannot be read, or is not the one that was meant.
    """
    path = (folder / Path(container.image).expanduser()).absolute()
    digest = _digest(path, where)
    if container.sha256 not in (None, digest):
        what = f"{path} is not the image that is meant: its SHA-256 is {digest}"
        raise UserError(what, where=where, mend="Get that one back, or change sha256")
    return container.model_copy(update={"image": str(path), "sha256": digest})


def _digest(path: Path, where: str) -> str:
    seen = path if path.exists() else HOST_ROOT / path.relative_to("/")
    try:
        with seen.open("rb") as file:
            first = file.read(64)
        if b"SIF_MAGIC" not in first:
            mend = "Build one with containers/build"
            raise UserError(f"{path} is no image of Apptainer (SIF)", where=where, mend=mend)
        return sha256_file(seen)
    except FileNotFoundError:
        what, mend = f"there is no image {path}", "Mend the path, or build it: containers/build"
    except IsADirectoryError:
        what, mend = f"{path} is a folder, not an image", "Name the .sif file"
    except PermissionError:
        what, mend = f"the image {path} cannot be read", f"Have its owner call: chmod a+r {path}"
    raise UserError(what, where=where, mend=mend) from None


def inside(container: Container, runs: Path, *, slurm: bool = False) -> tuple[str, ...]:
    """The words before a command that is to run in the container.

    `runs` is the folder of all runs; with `slurm`, SLURM's commands work inside.
    """
    binds = [*container.binds, str(runs), *([f"/:{HOST_ROOT}"] if slurm else [])]
    return (
        container.program,
        "exec",
        *(["--nv"] if container.nv else []),
        *(word for bind in binds for word in ("--bind", bind)),
        "--env",
        f"{IMAGE_DIGEST}={container.sha256}",
        *container.options,
        container.image,
    )


def python_inside(container: Container, runs: Path, *, slurm: bool = False) -> tuple[str, ...]:
    """The image's Python, without the working folder, PYTHONPATH and the like.

    These come from the host, after the image has set its own.
    """
    if not slurm and nested(container):
        return ("env", f"{IMAGE_DIGEST}={container.sha256}", "python", "-I")
    return (*inside(container, runs, slurm=slurm), "python", "-I")


def nested(container: Container) -> bool:
    """Whether this process runs in a container itself: another cannot be started from there."""
    return is_inside() and shutil.which(container.program) is None


def own_image() -> Path | None:
    """The image that this process runs in."""
    names = ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")
    return next((Path(os.environ[name]) for name in names if os.environ.get(name)), None)


def is_inside() -> bool:
    """Whether this very process runs in a container of Apptainer, or of Singularity."""
    return Path("/.singularity.d").is_dir()


def check_program(container: Container, where: str) -> None:
    """UserError where the command that enters the container is not here."""
    if shutil.which(container.program) is None:
        what = f"there is no '{container.program}' on PATH"
        mend = "Load its module; `ptychopinn-batch doctor` tells more"
        raise UserError(what, where=where, mend=mend)


def check_bindable(folder: Path) -> None:
    """UserError where the name of a folder cannot be given to --bind."""
    if re.search(r"[\s,:]", str(folder)):
        what = "a container cannot have a folder with spaces, commas or colons in its name"
        raise UserError(what, where=str(folder), mend="Name another --runs")
