"""The files that a spec names: patterns expanded, paths made absolute, every scan given a name."""

from __future__ import annotations

import difflib
import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hpc.paths import expanded
from ptychopinn_batch.jobspec import Files, JobSpec, Scan
from ptychopinn_batch.jobspec.model import SHIPPED_NETWORKS
from ptychopinn_batch.package.registry import ADDRESS, how_to_import
from ptychopinn_batch.readers.sniff import is_scan_folder
from ptychopinn_batch.speclang.complaints import Complaint, refuse
from ptychopinn_batch.speclang.document import Document

SIMILAR = 0.75  # likeness (difflib) of names of files; their endings are alike in any case
BUILT_IN = (*SHIPPED_NETWORKS, "none")
"""Words for `model.pretrained` that are no folder."""

DATA_SUFFIXES = (".npz", ".h5", ".hdf5", ".nxs", ".cxi", ".tif", ".tiff", ".csv", ".npy")
STANDARD_NAMES = ("product.h5", "diffraction.h5", "product.npz", "product.cxi", "diffraction.cxi")


def resolved(spec: JobSpec, document: Document, folders: Sequence[Path]) -> JobSpec:
    """The spec with absolute paths, one scan for each file, and a name for every scan.

    Relative paths are looked for in `folders`, in that order. UserError with every file that is
    missing and every name that is not unique.
    """
    complaints: list[Complaint] = []
    scans: list[tuple[int, Scan]] = []
    for index, scan in enumerate(spec.scans):
        found = _expanded(scan, index, document, folders)
        complaints += [one for one in found if isinstance(one, Complaint)]
        scans += [(index, one) for one in found if isinstance(one, Scan)]
    complaints += _same_names(scans, document)
    model = spec.model
    if model.pretrained not in BUILT_IN and not model.pretrained.startswith(ADDRESS):
        folder = _first(model.pretrained, folders)
        model = model.model_copy(update={"pretrained": str(folder.resolve())})
        if not folder.is_dir():
            complaints.append(_no_package(spec.model.pretrained, document, folders))
    refuse(document.source, complaints)
    return spec.model_copy(update={"scans": tuple(scan for _, scan in scans), "model": model})


def _expanded(
    scan: Scan, index: int, document: Document, folders: Sequence[Path]
) -> list[Scan | Complaint]:
    if scan.path is None:
        return [scan.model_copy(update={"name": scan.name or "simulated"})]
    where = ("scans", index, "path")
    files = _matches(scan, folders)
    if not files and _first(scan.path, folders).is_dir():
        hint = f"Write {scan.path.rstrip('/')}/*.npz for all files in it"
        what = f"'{scan.path}' is a folder, and no scan that is one"
        return [document.complaint(where, what, hint)]
    if not files:
        return [document.complaint(where, *_nothing_found(scan.path, folders))]
    if scan.name and len(files) > 1:
        what = f"one name for {len(files)} scans ('{scan.path}')"
        return [document.complaint(("scans", index, "name"), what, "Remove the name")]
    others = _other_files(scan, index, document, folders)
    if isinstance(others, list):
        return [*others]
    return [
        scan.model_copy(
            update={
                "path": str(file.resolve()),
                "name": scan.name or _name_of(file),
                "files": others,
            }
        )
        for file in files
    ]


def _other_files(
    scan: Scan, index: int, document: Document, folders: Sequence[Path]
) -> Files | list[Complaint] | None:
    """The scan's `files` with absolute paths, or what is wrong with them."""
    if scan.files is None:
        return None
    named = scan.files.model_dump(exclude_none=True)
    found = {key: _first(text, folders) for key, text in named.items()}
    complaints = [
        document.complaint(("scans", index, "files", key), *_nothing_found(named[key], folders))
        for key, path in found.items()
        if not path.is_file()
    ]
    return complaints or Files(**{key: str(path.resolve()) for key, path in found.items()})


def _matches(scan: Scan, folders: Sequence[Path]) -> list[Path]:
    """The file of that very name, else the files that match the pattern, in the first folder.

    A folder is one where it holds a scan, or where the spec says what its format is.
    """

    def is_one(path: Path) -> bool:
        return path.is_file() or (path.is_dir() and (scan.format != "auto" or _is_scan(path)))

    text = str(scan.path)
    if is_one(exact := _first(text, folders)):
        return [exact]
    for folder in folders:
        # Path.glob takes neither absolute patterns nor `..`
        found = glob.glob(str(expanded(text)), root_dir=folder, recursive=True)  # noqa: PTH207
        once = {path.resolve(): path for name in reversed(found) if is_one(path := folder / name)}
        if once:  # links may lead to one file in several ways
            return sorted(once.values())
    return []


def _is_scan(folder: Path) -> bool:
    """Whether a folder is of a format that is known here, or to the reader of another package."""
    if is_scan_folder(folder):
        return True
    from ptychopinn_batch.readers.registry import readers  # imports what commands may not need

    return any(reader.recognises(folder) for reader in readers())


def _first(text: str, folders: Sequence[Path]) -> Path:
    """The path in the first folder where it exists, else in the first folder."""
    candidates = [_absolute(text, folder) for folder in folders]
    return next((path for path in candidates if path.exists()), candidates[0])


def _absolute(text: str, folder: Path) -> Path:
    return folder / expanded(text)


def _nothing_found(text: str, folders: Sequence[Path]) -> tuple[str, str]:
    searched = list(dict.fromkeys(_searched(text, folder) for folder in folders))
    kind = "no file matches" if glob.has_magic(text) else "there is no file"
    what = f"{kind} '{text}' (looked in {' and '.join(searched)})"
    names = [name for folder in searched for name in _data_names(Path(folder))]
    close = difflib.get_close_matches(Path(text).name, names, n=1, cutoff=SIMILAR)
    mend = f"Did you mean '{close[0]}'?" if close else "Check the path"
    return what, mend if close or not names else f"There are {', '.join(names[:5])}"


def _searched(text: str, folder: Path) -> str:
    return str(_absolute(text, folder).parent.resolve())


def _data_names(folder: Path) -> Iterator[str]:
    """Files that a scan might be meant by."""
    if folder.is_dir():
        yield from sorted(path.name for path in folder.iterdir() if path.suffix in DATA_SUFFIXES)


def _no_package(text: str, document: Document, folders: Sequence[Path]) -> Complaint:
    close = difflib.get_close_matches(text, BUILT_IN, n=1)
    names = ", ".join(BUILT_IN)
    hint = how_to_import(text) or f"Write {names}, or the folder of a packaged model"
    searched = " and ".join(dict.fromkeys(_searched(text, f) for f in folders))
    what = f"there is no folder '{text}' (looked in {searched})"
    mend = f"Did you mean '{close[0]}'?" if close else hint
    return document.complaint(("model", "pretrained"), what, mend)


def _name_of(file: Path) -> str:
    """A scan's name from its file: unsafe characters become `_`, at most 64 are kept.

    Of files that have the same name for every scan, that of their folder.
    """
    name = file.resolve().parent.name if file.name in STANDARD_NAMES else file.stem
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip("._-")[:64] or "scan"


def _same_names(scans: list[tuple[int, Scan]], document: Document) -> Iterator[Complaint]:
    seen: dict[str, Scan] = {}
    for index, scan in scans:
        name = str(scan.name)
        if name in seen:
            sources = [one.path or "a simulation" for one in (seen[name], scan)]
            what = f"two scans are named '{name}' ({' and '.join(sources)})"
            where = ("scans", index, "path" if scan.path else "simulate")
            yield document.complaint(where, what, "Give each scan a name: of its own")
        seen.setdefault(name, scan)
