"""A folder to try the pages in: what a command or snippet names and is not there is put there.

Everything comes from one tiny run, made once. Only what needs a cluster, a GPU or hours is changed
on the way: `TINY` and `as_here` say how.
"""

import ast
import itertools
import json
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import yaml

from .markdown import ROOT, blocks

SHIPPED = ROOT / "ptychopinn_batch" / "pretrained" / "default"
RUN = "mine"  # the tiny run
TINY = {
    "frames=400": "frames=15",
    "frames=900": "frames=15",
    "crop=256": "crop=16",
    "default/star": "default/scan",
}
OF_A_RUN = ("status", "watch", "logs", "report", "show", "cancel", "resubmit", "clean")
PROFILE = "version: 1\npartition: gpu\n"
ADDRESS = re.compile(r"sha256:[0-9a-f]{6,}")


def own_names(scan, place):
    """The scan as somebody writes it who knows no format: names of its own, micrometres."""
    with np.load(scan) as file:
        xy = np.stack([file["xcoords"], file["ycoords"]], 1) * 0.01
        np.savez(place, intensity=file["diff3d"] ** 2, positions=xy, probe=file["probeGuess"])


@dataclass(frozen=True)
class Desk:
    """The working folder of one page. kept: the folder with the tiny run, made in `folder` too."""

    folder: Path
    kept: Path
    page: str

    def command(self, line):
        """The words of a line that calls the program, as they are given here."""
        for large, tiny in TINY.items():
            line = line.replace(large, tiny)
        words = [self._addressed(word) for word in shlex.split(line, comments=True)[1:]]
        for name in inputs(words):
            self.put(name)
        return as_here([found for word in words for found in self._globbed(word)])

    def put(self, name):
        """Make a file or folder of such a name, if it is one that the program could read."""
        place = self.folder / name.replace("*", "1")
        if place.exists() or name.startswith("/"):
            return
        match name.split("/"):
            case ["runs", run, *_]:
                self._run(run)
            case ["profiles", _]:
                place.parent.mkdir(exist_ok=True)
                place.write_text(PROFILE)
            case ["jobspecs", _]:
                (self.folder / "jobspecs").symlink_to(ROOT / "jobspecs")
                self.put("data/siemens_star_128.npz")
            case ["scan"] | ["data", "scan_0042"] | ["their_network"]:
                shutil.copytree(self.kept / place.name, place)
            case ["data", "scan.npz" | "siemens_star_128.npz"]:
                shutil.copy(self.kept / "data" / "scan.npz", place)
            case ["data", "own.npz"]:
                own_names(self.kept / "data" / "scan.npz", place)
            case ["mine.pth"]:
                shutil.copy(SHIPPED / "model.pth", place)
                shutil.copy(SHIPPED / "manifest.json", place.with_name("mine.manifest.json"))
            case _ if place.suffix in (".npz", ".cxi", ".nxs", ".zip"):
                shutil.copy(self.kept / f"any{place.suffix}", place)
            case _ if place.suffix == ".yaml":
                self._spec(place)

    def put_paths(self, value):
        """Everything that a spec, or a piece of it, names."""
        match value:
            case dict():
                self.put_paths(list(value.values()))
            case list():
                for each in value:
                    self.put_paths(each)
            case str():
                self.put(value)

    def _run(self, name):
        """The tiny run under another name; `theirs` has a network of PtychoPINN's."""
        runs = self.folder / "runs"
        if not (runs / RUN).exists():
            shutil.copytree(self.kept / "runs", runs, dirs_exist_ok=True)
        if not (runs / name).exists():
            shutil.copytree(runs / RUN, runs / name)
        if name == "theirs":
            model = runs / name / "models" / "default"
            shutil.rmtree(model)
            shutil.copytree(self.kept / "their_network", model)

    def _spec(self, place):
        """The first spec of that name that the page shows, else that of the tiny run."""
        shown = [block.text for block in blocks(self.page) if block.language == "yaml"]
        named = (text for text in shown if re.search(rf"^name: {place.stem}$", text, re.MULTILINE))
        tiny = (
            (self.kept / f"{RUN}.yaml").read_text().replace(f"name: {RUN}", f"name: {place.stem}")
        )
        place.write_text(next(named, tiny))
        self.put_paths(yaml.safe_load(place.read_text()))

    def _addressed(self, word):
        """An address of a package, which has changed since the page was written."""
        (found,) = (self.kept / "runs" / ".models").glob("[0-9a-f]*")
        return ADDRESS.sub(f"sha256:{found.name[:12]}", word)

    def _globbed(self, word):
        """What a shell makes of a pattern."""
        found = self.folder.glob(word) if "*" in word and not word.startswith("/") else ()
        return sorted(str(path.relative_to(self.folder)) for path in found) or [word]


def inputs(words):
    """What must be there for a command: files, folders of runs, profiles."""
    profiles = [
        f"profiles/{after}.yaml" for word, after in itertools.pairwise(words) if word == "--profile"
    ]
    match words:
        case ["simulate" | "schema" | "profile", *_]:
            return []
        case ["init", _, *rest]:
            return rest
        case ["convert", source, *_] | ["package", "export" | "import", source, *_]:
            return [source]
        case ["runs" | "package", *rest]:
            return [f"runs/{RUN}", *rest]
        case [command, run, *_] if command in OF_A_RUN:
            return [run if run.startswith("runs/") else f"runs/{run}"]
        case ["compare", first, second, *_]:
            return [f"runs/{first}", f"runs/{second}"]
        case ["submit" | "plan", spec, *rest] if spec == f"{RUN}.yaml":
            return [spec, f"runs/{RUN}", *profiles]
        case _:
            return [*(word.split("=")[-1] for word in words[1:]), *profiles]


def as_here(words):
    """Without a cluster, and without doing again what the tiny run stands for."""
    match words[0]:
        case "submit" if words[1:] != [f"{RUN}.yaml"]:
            return [*words, "--executor", "dry-run"]
        case "clean" if "--dry-run" not in words:
            return [*words, "--yes"]
        case "doctor":
            return [*words, "--no-job"]
        case "profile" if words[1] == "detect":
            return [*words, "--force"]
        case "logs" | "cancel":  # the tiny run has no training
            return [re.sub(r"^train(?=$|-)", "package", word) for word in words]
    return words


def strings(code):
    """Every text in a piece of Python."""
    nodes = ast.walk(ast.parse(code))
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def beamline_folder(raw, folder):
    """A scan as the reader of the pages finds it."""
    folder.mkdir()
    np.save(folder / "frames.npy", np.concatenate(list(raw.frames.blocks(64))))
    np.save(folder / "probe.npy", raw.probe)
    pixel = raw.geometry.pixel_size(raw.frames.n)
    about = {
        "xy_m": (raw.positions * pixel).tolist(),
        "energy_ev": raw.geometry.energy_ev,
        "distance_m": raw.geometry.distance_m,
        "pixel_m": raw.geometry.detector_pixel_m,
    }
    (folder / "scan.json").write_text(json.dumps(about))


def nexus_file(raw, path):
    """Frames, positions and probe where the pages say that they are."""
    with h5py.File(path, "w") as file:
        file["entry/data/data"] = np.concatenate(list(raw.frames.blocks(64)))
        file["entry/probe"] = raw.probe
        for axis, name in enumerate(("x", "y")):
            file[f"entry/{name}"] = raw.positions[:, axis]
