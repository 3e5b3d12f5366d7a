"""Damages scans of every format at random and reads them: each is read, or refused by a UserError.

    python tests/fuzz/fuzz_readers.py --seconds 300 --seed 1

Files are damaged as bytes (flipped, cut, doubled, shuffled) and as what they mean (arrays of other
shapes, types and values). Work is done in child processes, so that a crash of a library, an endless
loop and memory without bounds are found as well. Exit status 1 where anything was found; the file
is kept and its case printed, which --case repeats.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile
from numpy.random import Generator

from hpc.errors import UserError
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.source import ArrayFrames, Geometry, RawScan
from ptychopinn_batch.inspection import inspect_scan
from ptychopinn_batch.jobspec import Datasets, Files, Scan
from ptychopinn_batch.readers.opened import input_files, read_scan
from ptychopinn_batch.writers.registry import WRITERS

N, SIDE = 16, 5
MEMORY = 12 * 2**30  # bytes of address space: torch alone takes some
SLOWEST = 120  # seconds that one case may take, on a busy machine
CASES_OF_A_CHILD = 200
OPTICS = {"energy_ev": 8800.0, "distance_m": 1.9, "detector_pixel_m": 75e-6}
KINDS = ("npz", "ptychodus", "ptychodus_npz", "training", "cxi", "hdf5", "tiff")

Damage = Callable[[Path, Generator], None]


def sound_scan(random: Generator) -> RawScan:
    """A small scan as it should be."""
    y, x = np.mgrid[:N, :N] - N // 2
    probe = np.exp(-(x**2 + y**2) / 18 + 0.3j * x)[None].astype(np.complex64)
    row, column = np.divmod(np.arange(SIDE**2), SIDE)
    return RawScan(
        frames=ArrayFrames(random.integers(1, 50, (SIDE**2, N, N)).astype(np.uint16)),
        measurement="counts",
        positions=np.stack([20.25 + 2.0 * column, 30.5 + 2.0 * row], 1),
        probe=probe,
        scan_index=np.arange(SIDE**2),
        origin="fuzz",
        reference=random.normal(size=(60, 60)).astype(np.complex64) + 1j,
        bad_pixels=random.random((N, N)) < 0.02,
        geometry=Geometry(**OPTICS),
        zero_m=(1e-4, 2e-4),
    )


def sound_file(kind: str, folder: Path, random: Generator) -> Scan:
    """A scan of this kind as it should be, in a folder of its own."""
    raw = sound_scan(random)
    match kind:
        case "npz":
            return _written("ptychopinn", raw, folder / "scan.npz")
        case "ptychodus":
            return _written("ptychodus", raw, folder / "scan")
        case "training":
            return _written("ptychodus_training", raw, folder / "scan.h5")
        case "cxi":
            return _written("cxi", raw, folder / "scan.cxi")
        case "ptychodus_npz":
            return _product_npz(raw, folder)
        case "hdf5":
            return _nexus(raw, folder)
    return _tiffs(raw, folder)


def _written(name: str, raw: RawScan, path: Path) -> Scan:
    WRITERS[name].write(raw, path)
    return Scan(path=str(path))


def _product_npz(raw: RawScan, folder: Path) -> Scan:
    WRITERS["ptychodus"].write(raw, folder)
    with h5py.File(folder / "product.h5") as file:
        arrays: dict[str, Any] = {key: file[key][()] for key in file}
        arrays |= dict(file.attrs)
        arrays |= {f"object_{key}": value for key, value in file["object"].attrs.items()}
    np.savez(folder / "product.npz", **arrays)
    (folder / "product.h5").unlink()
    return Scan(path=str(folder / "product.npz"))


def _nexus(raw: RawScan, folder: Path) -> Scan:
    path = folder / "scan.nxs"
    with h5py.File(path, "w") as file:
        file.create_dataset("entry/data/data", data=raw.frames.array, chunks=(2, N, N),
                            compression="gzip")  # fmt: skip
        file.attrs["default"], file["entry"].attrs["default"] = "entry", "data"
        file["entry/data"].attrs["signal"] = "data"
        file["probe"], file["mask"] = raw.probe, raw.bad_pixels
        for axis, values in zip("xy", raw.positions.T, strict=True):
            file[axis] = values * 0.2
            file[axis].attrs["units"] = "um"
    names = Datasets(x="/x", y="/y", probe="/probe", mask="/mask")
    return Scan(path=str(path), datasets=names, **OPTICS)


def _tiffs(raw: RawScan, folder: Path) -> Scan:
    np.save(folder / "probe.npy", raw.probe)
    (folder / "frames").mkdir()
    for number, frame in enumerate(raw.frames.array):
        tifffile.imwrite(folder / "frames" / f"f{number}.tif", frame)
    rows = "".join(f"{x},{y}\n" for x, y in raw.positions)
    (folder / "frames" / "positions.csv").write_text("x_px,y_px\n" + rows)
    return Scan(path=str(folder / "frames"), files=Files(probe=str(folder / "probe.npy")))


# Damage


def damage(folder: Path, random: Generator) -> None:
    """One file, in one way or two."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for _ in range(random.integers(1, 3)):
        path = files[random.integers(len(files))]
        chosen: list[Damage] = [flipped, flipped, cut_off, doubled, zeroed]
        if path.suffix in (".h5", ".nxs", ".cxi"):
            chosen += [hdf5_changed] * 6
        if path.suffix == ".npz":
            chosen += [npz_changed] * 6
        if path.suffix == ".csv":
            chosen += [text_changed] * 6
        chosen[random.integers(len(chosen))](path, random)


def flipped(path: Path, random: Generator) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(random.integers(1, 20)):
        end = len(data) if random.random() < 0.5 else min(len(data), 3000)
        if end:
            data[random.integers(end)] = random.integers(256)
    path.write_bytes(data)


def cut_off(path: Path, random: Generator) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: random.integers(len(data) + 1)])


def doubled(path: Path, random: Generator) -> None:
    data = path.read_bytes()
    start, end = sorted(random.integers(len(data) + 1, size=2))
    path.write_bytes(data[:end] + data[start:])


def zeroed(path: Path, random: Generator) -> None:
    data = bytearray(path.read_bytes())
    start = random.integers(len(data) + 1)
    length = min(random.integers(1, 500), len(data) - start)
    data[start : start + length] = bytes(length)
    path.write_bytes(data)


def text_changed(path: Path, random: Generator) -> None:
    words = [
        "nan",
        "inf",
        "-1e308",
        "",
        "x",
        "1,2,3",
        "#",
        "\x00",
        "1e400",
        "９",
        ";",
        "\t",
        "x_um",
    ]
    lines = path.read_bytes().decode(errors="replace").splitlines() or [""]
    at = random.integers(len(lines))
    cells = lines[at].split(",")
    cells[random.integers(len(cells))] = words[random.integers(len(words))]
    lines[at] = ",".join(cells)
    path.write_text("\n".join(lines))


def npz_changed(path: Path, random: Generator) -> None:
    try:
        with np.load(path) as file:
            arrays = {key: file[key] for key in file}
    except Exception:  # damaged already
        return
    key = sorted(arrays)[random.integers(len(arrays))]
    if random.random() < 0.15:
        del arrays[key]
    else:
        arrays[key] = strange(arrays[key], random)
    (np.savez if random.random() < 0.5 else np.savez_compressed)(path, **arrays)


def hdf5_changed(path: Path, random: Generator) -> None:
    try:
        with h5py.File(path, "r+") as file:
            keys: list[str] = []
            file.visit(keys.append)
            key = keys[random.integers(len(keys))]
            if random.random() < 0.3:
                _attribute_changed(file, key, random)
            elif random.random() < 0.2:
                del file[key]
            elif isinstance(file[key], h5py.Dataset):
                _dataset_changed(file, key, random)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError):
        return  # damaged already, or no such change is possible


def _attribute_changed(file: h5py.File, key: str, random: Generator) -> None:
    attributes = file[key].attrs if random.random() < 0.6 else file.attrs
    names = sorted(attributes)
    if names:
        name = names[random.integers(len(names))]
        value = attributes[name]
        del attributes[name]
        if random.random() < 0.8:
            attributes[name] = strange(np.asarray(value), random, attribute=True)


def _dataset_changed(file: h5py.File, key: str, random: Generator) -> None:
    old, attributes = file[key][()], dict(file[key].attrs)
    del file[key]
    match random.integers(8):
        case 0:
            file[key] = h5py.SoftLink(f"/{key}")
        case 1:
            file[key] = h5py.ExternalLink(["a.h5", "../a.h5", "/a.h5", path_of(file)][
                random.integers(4)], key)  # fmt: skip
        case 2:
            file.create_dataset(key, np.shape(old), "f4", external=[("raw.bin", 0, 10**6)])
        case 3:
            file.create_dataset(key, (10 ** random.integers(1, 12), N, N), "u2", chunks=(1, N, N))
        case 4:
            file.create_group(key)
        case _:
            file[key] = strange(np.asarray(old), random)
            file[key].attrs.update(attributes)


def path_of(file: h5py.File) -> str:
    return Path(file.filename).name


def strange(array: np.ndarray, random: Generator, *, attribute: bool = False) -> Any:
    """Another array in the place of this one."""
    numbers = array if array.dtype.kind in "biufc" else np.zeros(3)
    values = [np.nan, np.inf, -1, 0, 1e-320, 1e308, -1e-30, 2**53 + 1, 1e-12, 1e12]
    value = values[random.integers(len(values))]
    match random.integers(9 if not attribute else 6):
        case 0:
            return "text"
        case 1:
            return np.full(numbers.shape, value)
        case 2:
            return np.resize(numbers, random.integers(0, 6, size=random.integers(0, 5)))
        case 3:
            return np.float64(value)
        case 4:
            return numbers.astype([np.int8, np.uint64, np.float16, np.complex64, bool][
                random.integers(5)])  # fmt: skip
        case 5:
            return np.array([], np.float32)
        case 6:
            changed = numbers.astype(np.complex128 if numbers.dtype.kind == "c" else np.float64)
            if changed.size:
                changed.ravel()[random.integers(changed.size)] = value
            return changed
        case 7:
            return np.swapaxes(numbers, 0, -1) if numbers.ndim > 1 else np.atleast_1d(numbers)[::-1]
    return numbers[: random.integers(len(numbers) + 1)] if numbers.ndim else numbers


# Reading


def options_at(scan: Scan, random: Generator) -> Scan:
    """Sometimes the spec asks for something, too."""
    keys: list[dict[str, Any]] = [
        {}, {}, {}, {"crop": 8}, {"bin": 2, "measurement": "counts"}, {"select": "3::2"},
        {"frames": 7}, {"rotation": 10.0, "flip_x": True}, {"positions": "start"},
        {"crop": 8, "centre": (6, 9)}, {"measurement": "amplitude"}, {"axis_order": "frames_last"},
    ]  # fmt: skip
    return scan.model_copy(update=keys[random.integers(len(keys))])


def read_all(scan: Scan, folder: Path, random: Generator) -> str:
    """What a plan, the prepare stage and `inspect` do; how it ended."""
    try:
        if random.random() < 0.3:
            inspect_scan(scan, every_frame=True)
        input_files(scan)
        build_store(read_scan(scan), folder / "store")
    except UserError as error:
        if not (error.where and str(error)):
            raise AssertionError(f"the message has no place: {error}") from error
        return "refused"
    return "read"


def one_case(seed: int, number: int) -> str:
    """One damaged scan; raises what should not be raised."""
    random = np.random.default_rng((seed, number))
    kind = KINDS[number % len(KINDS)]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        scan = options_at(sound_file(kind, folder, random), random)
        damage(folder, random)
        try:
            return read_all(scan, folder.parent / f"{folder.name}-out", random)
        except BaseException:
            kept = Path(tempfile.gettempdir()) / f"fuzz-found-{seed}-{number}"
            shutil.copytree(folder, kept, dirs_exist_ok=True)
            raise
        finally:
            shutil.rmtree(folder.parent / f"{folder.name}-out", ignore_errors=True)


def child(seed: int, first: int, last: int, until: float) -> int:
    """Cases [first, last), each named before it begins; 1 if anything was found."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    signal.signal(signal.SIGALRM, _too_slow)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    found = 0
    for number in range(first, last):
        if time.time() > until:
            break
        print(f"{seed} {number}", flush=True)
        signal.alarm(SLOWEST)
        faulthandler.dump_traceback_later(2 * SLOWEST, exit=True)  # no alarm rings within a library
        try:
            print(f"= {one_case(seed, number)}", flush=True)
        except Exception:
            found = 1
            print(f"FOUND --case {seed} {number}\n{traceback.format_exc()}", flush=True)
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
    return found


def _too_slow(*_: object) -> None:
    raise TimeoutError(f"took longer than {SLOWEST} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--case", type=int, nargs=2, metavar=("SEED", "NUMBER"))
    parser.add_argument("--child", type=float, nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(one_case(*given.case))
        return 0
    if given.child:
        first, last, until = given.child
        return child(given.seed, int(first), int(last), until)
    return parent(given.seed, given.seconds)


def parent(seed: int, seconds: float) -> int:
    """Starts children one after the other; counts how cases end."""
    until, first = time.time() + seconds, 0
    ends = {"read": 0, "refused": 0, "found": 0}
    while time.time() < until:
        command = [sys.executable, __file__, "--seed", str(seed), "--child"]
        command += [str(number) for number in (first, first + CASES_OF_A_CHILD, until)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        for end in ("read", "refused"):
            ends[end] += done.stdout.splitlines().count(f"= {end}")
        if "FOUND" in done.stdout:
            ends["found"] += done.stdout.count("FOUND")
            print(done.stdout[done.stdout.index("FOUND") :])
        elif done.returncode not in (0, 1):
            ends["found"] += 1
            last = [line for line in done.stdout.splitlines() if line[:1].isdigit()][-1:]
            print(f"FOUND a crash ({done.returncode}) in --case {last}\n{done.stderr[-3000:]}")
        elif done.returncode:
            print(done.stderr[-3000:])
            return 1
        first += CASES_OF_A_CHILD
    print(f"seed {seed}: {ends['read']} read, {ends['refused']} refused, {ends['found']} found")
    return 1 if ends["found"] else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
