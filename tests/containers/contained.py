"""The quickstart in small, as the tests of containers run it, and what is read from its results."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accounts import Account

from hpc.ledger import read_state
from hpc.paths import RunPaths
from ptychopinn_batch.metrics import Metrics
from ptychopinn_batch.objectstore import ObjectStore
from ptychopinn_batch.results.paths import ResultPaths

SPEC = """\
version: 1
name: small
scans:
  - name: star
    path: {scan}
check: off
model: {{pretrained: none, unrolled: {{width: 4, hidden: 2, depth: 2}}}}
train: {{epochs: 2, regions_per_epoch: {regions}, window: 64, unroll: [1, 2], warm: 2,
        accumulate: 4, workers: 0, nodes: 2, devices: 2, split: frames}}
infer: {{steps: 4, tile: 64, tiles_per_task: 2}}
resources:
  prepare: {{mem_gb: 2, cpus: 1}}
  train: {{mem_gb: 3, cpus: 1}}
  infer: {{mem_gb: 2, cpus: 1}}
  finalize: {{mem_gb: 2, cpus: 1}}
"""
PROFILE = """\
version: 1
partition: {partition}
signal_s: 30
container: {{image: {image}{more}}}
"""
SCAN = [
    word
    for key in ("frames=100", "frame_size=32", "object=star", "step=6.0", "probe_radius=0.2")
    for word in ("--set", key)
]
PROGRAM = (sys.executable, "-P", "-m", "ptychopinn_batch")

INSIDE = ("apptainer", "run", "--bind", "/:/host")


@dataclass(frozen=True)
class Place:
    """A working folder with a measured scan, the spec, a profile with the image, and their run."""

    folder: Path
    account: Account
    program: tuple[str, ...] = PROGRAM

    @classmethod
    def of(cls, folder, account, image):
        """The program is that of the image where the account has no other: that of the tests may
        lie where nobody else looks."""
        return cls(folder, account, PROGRAM if account.name is None else (*INSIDE, str(image)))

    @property
    def run(self) -> RunPaths:
        return RunPaths(self.folder / "runs", "small")

    def write(self, image, *, scan=None, regions=16, partition="main", more=""):
        """Everything that a submit needs; `more` are further keys of the container."""
        scan = scan or self.folder / "star.npz"
        if not scan.exists():
            made = self.call("simulate", scan, *SCAN)
            assert made.returncode == 0, made.stderr
        (self.folder / "small.yaml").write_text(SPEC.format(scan=scan, regions=regions))
        profiles = self.account.folder(self.folder / "profiles")
        text = PROFILE.format(partition=partition, image=image, more=more)
        (profiles / "hall.yaml").write_text(text)

    def call(self, *arguments):
        return self.account.call(*self.program, *arguments, cwd=self.folder)

    def submit(self, *options):
        """What a submit prints that ends well."""
        done = self.call("submit", "small.yaml", *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def result(self):
        return ResultPaths(self.run.result("default", "star"))

    def object(self):
        return ObjectStore.open(self.result.object_array).read().object

    def metrics(self):
        return Metrics.model_validate_json(self.result.metrics.read_bytes())

    def images(self):
        """What the manifest of the model and that of the result say that they were made in."""
        files = self.run.model("default") / "manifest.json", self.result.provenance
        found = [json.loads(file.read_text())["provenance"]["versions"] for file in files]
        return {versions.get("image") for versions in found}

    def hosts(self):
        """The hosts on which tasks ran."""
        tasks = [path.stem for path in self.run.ledger_folder.glob("*.jsonl")]
        return {read_state(self.run, task).host for task in tasks}


def assert_same_object(one, other):
    assert np.array_equal(one.object(), other.object(), equal_nan=True)
    assert one.metrics().R == other.metrics().R
