"""Loads a job spec: file, profile and `--set` become one checked, resolved `JobSpec`.

Later ones win: the file, then the chosen profile, then every `--set` in order. Whatever is wrong
is raised as one UserError whose lines name file and line (or the `--set`), the key and the mend.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpc.errors import UserError
from ptychopinn_batch.jobspec import JobSpec
from ptychopinn_batch.speclang.complaints import Complaint, complaints_of
from ptychopinn_batch.speclang.document import Document, parse_set
from ptychopinn_batch.speclang.sources import SIMILAR, resolved

LARGEST = 16 * 2**20  # bytes; it may be a file of scans, larger than memory, that was named


@dataclass(frozen=True)
class LoadedSpec:
    """A spec ready for use, and what it was made of.

    `spec` has absolute paths, a name for every scan, one scan for each file of a pattern.
    """

    spec: JobSpec
    path: Path
    text: str
    document: Document
    profile: str | None = None
    sets: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        return folders_of(self.path)

    @property
    def resolved_json(self) -> str:
        """The spec with all defaults, as JSON; `load_spec` reads it too."""
        return self.spec.model_dump_json(indent=2) + "\n"


def folders_of(path: Path) -> tuple[Path, ...]:
    """Where relative paths are looked for: beside the spec file, then the working folder."""
    return path.absolute().parent, Path.cwd()


def load_spec(path: Path, sets: Sequence[str] = (), profile: str | None = None) -> LoadedSpec:
    """Read, override, check and resolve a job spec. UserError with every mistake in it."""
    text = read_text(path)
    document = Document.read(text, str(path))
    others = [name for name in document.profile_names() if name != profile]
    chosen = document if profile is None else _with_profile(document, profile)
    for one in sets:
        key, value = parse_set(one)
        chosen = chosen.with_value(key, value, f"--set {one}")
    for name in others:
        chosen = chosen.complaining(_mistakes_of_profile(document, name))
    spec = resolved(chosen.checked(), chosen, folders_of(path))
    return LoadedSpec(spec, path, text, chosen, profile, tuple(sets))


def read_text(path: Path) -> str:
    """The text of a spec file; UserError where there is no such file or it is not UTF-8."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise UserError("there is no such file", where=str(path), mend=_similar(path)) from None
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise UserError(what, where=str(path), mend="Give the path of a YAML file") from None
    if len(data) > LARGEST:
        what = f"this file is larger than {LARGEST >> 20} MiB, so it is no job spec"
        raise UserError(what, where=str(path), mend="Give the path of a YAML file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        what = f"not UTF-8 text (byte 0x{data[error.start]:02x})"
        raise UserError(what, where=f"{path}:{line}", mend="Save the file as UTF-8") from None


def _similar(path: Path) -> str:
    folder = path.absolute().parent
    names = sorted(one.name for one in folder.glob("*.y*ml")) if folder.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=SIMILAR)
    return f"Did you mean '{path.parent / close[0]}'?" if close else "Check the path"


def _with_profile(document: Document, name: str) -> Document:
    """The document with the keys of one of its profiles put in."""
    for key, value in document.profile(name).items():
        origin = document.origin(("profiles", name, key))
        where = f"{origin.text} profiles.{name}.{key}"
        document = document.with_value(key, value, where, origin.line)
    return document


def _mistakes_of_profile(document: Document, name: str) -> Iterator[Complaint]:
    """What is wrong with a profile that was not chosen: told now, not later on the cluster."""
    try:
        _with_profile(document, name).checked()
    except UserError as error:
        for complaint in complaints_of(error):
            if f" profiles.{name}." in complaint.where:
                yield complaint
