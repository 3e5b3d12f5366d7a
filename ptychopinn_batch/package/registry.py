"""Packages by name: the shipped ones, those in folders, and a registry that all runs share.

The registry, `runs/.models`, is content-addressed: a package lies in the folder named by its
manifest's digest, so the same package is kept once and never changed. Runs add what they publish;
nothing is ever replaced. To tidy up, delete folders whose networks no run needs any more.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hpc.errors import UserError
from hpc.fsio import publish_folder
from hpc.paths import RunPaths, expanded
from ptychopinn_batch.files import beside, discard
from ptychopinn_batch.jobspec.model import SHIPPED_NETWORKS
from ptychopinn_batch.package.folder import LoadedModel, fill, load_package, read_manifest
from ptychopinn_batch.package.manifest import MANIFEST, WEIGHTS

SHIPPED = Path(__file__).parents[1] / "pretrained"
ADDRESS = "sha256:"
FOREIGN = ".zip", ".ckpt"
PAIRED = ".pth"  # as Ptychodus keeps one of ours, its manifest beside it
SHORTEST = 6  # digits that an address is shortened to at most
READ_ONLY = 0o444


@dataclass(frozen=True)
class Registry:
    """The packages below a folder, each under its digest."""

    folder: Path

    def add(self, package: Path) -> Path:
        """Where a package lies in the registry, after it was put there if it is new.

        Raises StateError where the package, or what lies in its place, is damaged.
        """
        manifest = read_manifest(package)
        place = self.folder / manifest.digest
        if not place.exists():
            self._put(package, place)
        read_manifest(place)
        return place

    def find(self, address: str) -> Path:
        """The package with this digest, or the only one whose digest begins so; else UserError."""
        found = [place for place in self.packages() if place.name.startswith(address)]
        if len(found) == 1 and len(address) >= SHORTEST:
            return found[0]
        what = f"{len(found) or 'no'} packages in {self.folder} begin with {address!r}"
        if len(address) < SHORTEST:
            what = f"{address!r} is too short for an address"
        mend = f"Write {ADDRESS} and at least {SHORTEST} digits, as `package list` shows them"
        raise UserError(what, where="model.pretrained", mend=mend)

    def packages(self) -> Iterator[Path]:
        """Every package, in the order of addresses."""
        places = self.folder.iterdir() if self.folder.is_dir() else ()
        yield from sorted(place for place in places if re.fullmatch("[0-9a-f]{64}", place.name))

    def _put(self, package: Path, place: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        new = beside(place)
        new.mkdir()
        try:
            fill(new, package, read_manifest(package))
            for file in new.iterdir():
                file.chmod(READ_ONLY)
            publish_folder(new, place)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # another task was first
                raise
        finally:
            discard(new)


def load_model(name_or_path: str | Path = "default", *, runs: str | Path = "runs") -> LoadedModel:
    """A trained network: a shipped one by its name, the package in a folder, or one of those
    that the runs in `runs` share, by its address.

    Raises UserError where there is none, StateError where its bytes are not what they were.
    """
    shared = Registry(RunPaths(Path(runs), "any").models)
    return load_package(resolve_pretrained(str(name_or_path), Path.cwd(), shared))


def resolve_pretrained(name: str, base_folder: Path, registry: Registry | None = None) -> Path:
    """The folder of a package by its name: a shipped one, an address, or a path.

    A relative path begins at `base_folder`. Raises UserError where there is no package.
    """
    if registry is not None and name.startswith(ADDRESS):
        return registry.find(name.removeprefix(ADDRESS))
    is_shipped = name in SHIPPED_NETWORKS
    folder = SHIPPED / name if is_shipped else base_folder / expanded(name)
    if not (folder / MANIFEST).is_file():
        what = f"there is no model package at {folder}"
        shipped = ", ".join(SHIPPED_NETWORKS)
        mend = f"Name a folder that holds {MANIFEST} and {WEIGHTS}, or one of {shipped}, none"
        raise UserError(what, where="model.pretrained", mend=how_to_import(name) or mend)
    return folder


def package_here(folder: str) -> Path:
    """Where a package lies for this process, that was planned with the one in `folder`.

    In a container the shipped ones lie elsewhere, for the program that planned is another copy.
    """
    path = Path(folder)
    own = SHIPPED / path.name
    is_shipped = path.parts[-3:] == own.parts[-3:]
    return own if is_shipped and not path.exists() else path


def how_to_import(name: str) -> str | None:
    """What to do with a file of PtychoPINN or Ptychodus, which is no package, and is never read
    unasked."""
    if not name.endswith((*FOREIGN, PAIRED)):
        return None
    trust = "" if name.endswith(PAIRED) else " --trust"
    return f"Make a package of this file: ptychopinn-batch package import {name} FOLDER{trust}"
