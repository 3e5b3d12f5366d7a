"""Finds and reads the profile of a cluster, and holds tasks against it.

A profile is YAML in the language of `hpc.slurm.profile`. Whatever is wrong in it is raised as one
UserError whose lines name file and line, the key and the mend.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from hpc.container import pinned
from hpc.errors import UserError
from hpc.slurm.limits import exceeded
from hpc.slurm.profile import Options, Profile
from hpc.task import Task
from ptychopinn_batch.sections import section_of
from ptychopinn_batch.speclang.complaints import Complaint, refuse
from ptychopinn_batch.speclang.document import Document
from ptychopinn_batch.speclang.file import read_text
from ptychopinn_batch.speclang.language import Language

__all__ = [
    "STAGES",
    "check_limits",
    "cluster_folders",
    "cluster_language",
    "find_cluster",
    "known_clusters",
    "no_cluster",
    "read_cluster",
    "read_pinned",
]

STAGES = ("check", "prepare", "train", "package", "refine", "infer", "finalize")
FOLDER = "profiles"
SUFFIXES = (".yaml", ".yml")
BEGIN = "Begin with version: 1, or run `ptychopinn-batch profile detect`"

# Where the job spec sets what is not resources.SECTION.FIELD.
_FIELDS = {"nodes": "train.nodes", "tasks_per_node": "train.devices"}


def read_cluster(path: Path) -> Profile:
    """The profile in a file. UserError with every mistake in it."""
    document = Document.read(read_text(path), str(path), begin=BEGIN)
    document = document.complaining(_unknown_stages(document))
    return document.checked_as(Profile, cluster_language())


def read_pinned(path: Path) -> Profile:
    """The profile in a file, with its image by full path and digest. UserError as it must."""
    profile = read_cluster(path)
    if profile.container is None:
        return profile
    container = pinned(profile.container, path.absolute().parent, f"{path} container.image")
    return profile.model_copy(update={"container": container})


def find_cluster(name: str, spec_folder: Path) -> Path | None:
    """The file of a profile; None where no folder of profiles holds one of that name.

    A name with a `/`, or one that ends in .yaml or .yml, is the path itself, there or not.
    """
    if "/" in name or name.endswith(SUFFIXES):
        return Path(name).expanduser()
    files = (folder / f"{name}.yaml" for folder in cluster_folders(spec_folder))
    return next((file for file in files if file.is_file()), None)


def no_cluster(name: str, spec_folder: Path) -> UserError:
    """What to say where `find_cluster` has found none."""
    folders = cluster_folders(spec_folder)
    what = f"there is no {name}.yaml in {', '.join(map(str, folders))}"
    return UserError(
        what, where=f"profile '{name}'", mend=_near(name, sorted(known_clusters(folders)))
    )


def _near(name: str, known: Sequence[str]) -> str:
    if not known:
        return "Make one with `ptychopinn-batch profile detect`"
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean '{close[0]}'?" if close else f"There are: {', '.join(known)}"


def cluster_folders(spec_folder: Path) -> tuple[Path, ...]:
    """Where profiles are looked for: beside the spec, in the working folder, in the user's own."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    own = Path(home) / "ptychopinn-batch"
    folders = (spec_folder, Path.cwd(), own)
    return tuple(dict.fromkeys((folder / FOLDER).absolute() for folder in folders))


def known_clusters(folders: Iterable[Path]) -> dict[str, Path]:
    """The profiles that are found by their name, and the file of each."""
    found: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
            found.setdefault(file.stem, file)
    return found


def check_limits(tasks: Iterable[Task], profile: Profile, path: Path) -> None:
    """UserError with everything that tasks ask for and the cluster does not give."""
    found = exceeded(tasks, profile, str(path), spec_key)
    complaints = [Complaint(one.where or "", one.what, one.mend or "") for one in found]
    refuse(str(path), complaints)


def spec_key(stage: str, field: str) -> str:
    """The key of a job spec that sets one field of the resources of a stage."""
    return _FIELDS.get(field, f"resources.{section_of(stage)}.{field}")


@cache
def cluster_language() -> Language:
    """The keys of profiles."""
    schema = Profile.model_json_schema()
    own = [key for key in schema["properties"] if key not in Options.model_fields]
    order = [*own[:2], *Options.model_fields, *own[2:]]
    schema["properties"] = {key: schema["properties"][key] for key in order}
    return Language(schema)


def _unknown_stages(document: Document) -> Iterator[Complaint]:
    found = document.data.get("stages")
    for name in found if isinstance(found, dict) else ():
        if name not in STAGES:
            close = difflib.get_close_matches(name, STAGES, n=1)
            hint = f"Did you mean '{close[0]}'?" if close else f"Stages: {', '.join(STAGES)}"
            yield document.complaint(("stages", name), "there is no such stage", hint)
