"""Looks into a container before anything is submitted: its version, and what it sees."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from hpc.container import (
    HOST_ROOT,
    Container,
    check_bindable,
    check_program,
    nested,
    own_image,
    python_inside,
)
from hpc.errors import UserError
from hpc.paths import expanded
from hpc.record import Record

__all__ = ["Seen", "check_container", "nearest_folder", "probe"]

ANSWER = 120.0  # seconds: the first start of a large image from a busy file system is slow

# Run by the image's Python with the name of a distribution and paths: what it sees, as JSON.
_LOOK = """\
import importlib.metadata as metadata, json, os, sys
try:
    version = metadata.version(sys.argv[1])
except metadata.PackageNotFoundError:
    version = None
hidden = [path for path in sys.argv[2:] if not os.path.exists(path)]
print(json.dumps({"version": version, "hidden": hidden}))
"""


class Seen(Record):
    """What was found inside: the version of our program, and the paths that are not there."""

    version: str | None
    hidden: tuple[str, ...]


def check_container(
    container: Container,
    runs: Path,
    paths: Iterable[str],
    *,
    program: str,
    version: str,
    where: str,
) -> None:
    """UserError unless tasks can run inside: the image starts, is of our version, sees all paths.

    `where` is what the messages name: the profile's key.
    """
    check_bindable(runs)
    _check_binds(container, where)
    if nested(container):
        _check_nested(container, runs, paths, where)
        return
    check_program(container, where)
    seen = probe(container, runs, paths, program=program, where=where)
    if seen.version != version:
        found = f"{program} {seen.version}" if seen.version else f"no {program}"
        what = f"the image {container.image} holds {found}, this is {version}"
        mend = f"Build an image of this version (containers/build), or submit with {seen.version}"
        raise UserError(what, where=f"{where}.image", mend=mend)
    if seen.hidden:
        raise _hidden(seen.hidden, where)


def _check_nested(container: Container, runs: Path, paths: Iterable[str], where: str) -> None:
    """Of the image that this process runs in: it must be that of the tasks, which see less."""
    own = own_image()
    if own is None or not own.exists() or not own.samefile(container.image):
        what = f"this runs in the image {own}, tasks would run in {container.image}"
        raise UserError(what, where=f"{where}.image", mend="Use one for both")
    folders = [Path.home(), Path("/tmp"), Path.cwd(), runs]
    folders += [Path((bind.split(":") * 2)[1]) for bind in container.binds]
    for path in map(Path, paths):
        if not any(path.is_relative_to(folder) for folder in folders):
            raise _hidden([str(path)], where)


def _hidden(paths: Iterable[str], where: str) -> UserError:
    what = f"the container does not see {', '.join(paths)}"
    return UserError(what, where=f"{where}.binds", mend="Add its folder to binds")


def _check_binds(container: Container, where: str) -> None:
    for bind in container.binds:
        source = bind.partition(":")[0]
        if not (Path(source).exists() or (HOST_ROOT / source.lstrip("/")).exists()):
            what = f"there is no {source} to bind"
            raise UserError(what, where=f"{where}.binds", mend="Mend the path, or remove it")


def probe(
    container: Container, runs: Path, paths: Iterable[str], *, program: str, where: str
) -> Seen:
    """Start the container once and look around in it. UserError where it does not start."""
    there = nearest_folder(runs)
    command = (*python_inside(container, there), "-c", _LOOK, program, *paths)
    said = _output(command, where)
    try:
        return Seen.model_validate_json(said.strip().splitlines()[-1])
    except (IndexError, ValidationError):
        what = f"the image {container.image} gives a strange answer: {said[-200:]!r}"
        raise UserError(what, where=where, mend="Name one that containers/build made") from None


def _output(command: Sequence[str], where: str) -> str:
    mend = "`ptychopinn-batch doctor` tells more"
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER,
            check=False,
        )
    except subprocess.TimeoutExpired:
        what = f"the container did not start within {ANSWER:g} s"
        raise UserError(what, where=where, mend=mend) from None
    if done.returncode != 0:
        said = "; ".join(done.stderr.split("\n")[-3:]).strip("; ") or f"status {done.returncode}"
        raise UserError(f"the container does not start ({said})", where=where, mend=mend)
    return done.stdout


def nearest_folder(folder: Path) -> Path:
    """A folder, or the one in which it would be made: what is not there cannot be bound."""
    folder = expanded(folder).absolute()
    return next(one for one in (folder, *folder.parents) if one.is_dir())
