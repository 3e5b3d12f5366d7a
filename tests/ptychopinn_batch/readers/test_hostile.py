"""Files that are broken, by accident or on purpose: each is told in one clear error.

Every case changes a scan that is as it should be. It must be refused with the file's name, what is
wrong and how to mend it, whether that shows in the header or only in the last frame.
"""

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Datasets, Files, Scan
from ptychopinn_batch.writers.registry import WRITERS

from ..contract import contract
from ..contract import write_contract as npz
from .conftest import take_all

Change = Callable[[Path], Any]
CASES: dict[
    str, tuple[str, Change, str]
] = {}  # name: kind of file, what is done to it, the message


def case(kind: str, name: str, message: str) -> Callable[[Change], Change]:
    def keep(change: Change) -> Change:
        CASES[f"{kind}: {name}"] = kind, change, message
        return change

    return keep


def member(path: Path, name: str, data: bytes, method: int = zipfile.ZIP_STORED) -> None:
    """One more member in a zip file, or another one in the place of what has its name."""
    with zipfile.ZipFile(path) as old:
        kept = [(one, old.read(one)) for one in old.namelist() if one != name]
    with zipfile.ZipFile(path, "w") as new:
        for one, content in kept:
            new.writestr(one, content)
        new.writestr(name, data, method)


def npy(array: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    """An NPY file, which may lie about its shape."""
    file = io.BytesIO()
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": shape or array.shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + array.tobytes()


def replaced(file: h5py.File, key: str, data: Any) -> None:
    attributes = dict(file[key].attrs)
    del file[key]
    file[key] = data
    file[key].attrs.update(attributes)


def cut_off(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


class Evil:
    """Would leave a file behind if it were ever unpickled."""

    def __reduce__(self) -> Any:
        return (os.system, ("touch /tmp/ptychopinn-batch-was-unpickled",))


# PtychoPINN NPZ

case("npz", "empty", "not an NPZ file")(lambda p: p.write_bytes(b""))
case("npz", "text", "not an NPZ file")(lambda p: p.write_text("frames, frames, frames"))
case("npz", "cut off in the frames", "cut off")(lambda p: cut_off(p, 0.5))
case("npz", "cut off at its very end", "cut off")(lambda p: cut_off(p, 0.999))
case("npz", "no arrays", "there is no")(lambda p: np.savez(p))
case("npz", "no positions", "there is no xcoords")(lambda p: npz(p, xcoords=None))
case("npz", "no probe", "there is no probeGuess")(lambda p: npz(p, probeGuess=None))
case(
    "npz",
    "frames of rank 2",
    r"the frames array has 2 axes \(20, 16\)\. Give frames x rows x columns",
)(lambda p: npz(p, diff3d=np.ones((20, 16))))
case("npz", "frames of rank 5", "5 axes")(lambda p: npz(p, diff3d=np.ones((1, 1, 20, 16, 16))))
case("npz", "no frames", "positions are given for 0 frames|several frames|is empty")(
    lambda p: npz(p, diff3d=np.ones((0, 16, 16)), xcoords=np.ones(0), ycoords=np.ones(0))
)
case(
    "npz",
    "frames of no size",
    r"the frames array is empty, its shape \(20, 0, 0\)\. Give a file with frames in it",
)(lambda p: npz(p, diff3d=np.ones((20, 0, 0))))
case("npz", "text for frames", "not real numbers")(
    lambda p: npz(p, diff3d=np.full((20, 16, 16), "one"))
)
case("npz", "complex positions", "positions are complex128")(
    lambda p: npz(p, xcoords=np.ones(20) * 1j)
)
case("npz", "more x than y", "21 x but 20 y")(lambda p: npz(p, xcoords=np.arange(21.0)))
case("npz", "fewer positions than frames", "positions are given for 19 frames")(
    lambda p: npz(p, xcoords=np.arange(19.0), ycoords=np.arange(19.0))
)
case("npz", "positions that are not numbers", "1 positions are NaN or infinite")(
    lambda p: npz(p, xcoords=np.where(np.arange(20) == 3, np.nan, 2.0 * np.arange(20)))
)
case("npz", "positions beyond all bounds", "pixels from zero")(
    lambda p: npz(p, xcoords=np.arange(20) * 1e300)
)
case("npz", "positions in metres", "look like metres")(
    lambda p: npz(p, xcoords=contract()["xcoords"] * 1e-8, ycoords=contract()["ycoords"] * 1e-8)
)
case("npz", "positions in nanometres", "the canvas would be|do not overlap")(
    lambda p: npz(p, xcoords=contract()["xcoords"] * 30, ycoords=contract()["ycoords"] * 30)
)
case("npz", "NaN in the last frame", "frame 19 is NaN or infinite in 1 pixels")(
    lambda p: npz(p, diff3d=spoiled(np.nan))
)
case("npz", "infinity in the last frame", "frame 19 is NaN or infinite")(
    lambda p: npz(p, diff3d=spoiled(np.inf))
)
case("npz", "a negative count", "frame 19 is negative")(lambda p: npz(p, diff3d=spoiled(-1.0)))
case("npz", "an absurd count", r"frame 19 is above 1e\+15")(lambda p: npz(p, diff3d=spoiled(1e300)))
case("npz", "only dark frames", "hold nothing but zeros")(
    lambda p: npz(p, diff3d=np.zeros((20, 16, 16), np.uint16))
)
case("npz", "a probe full of NaN", "the probe is NaN")(
    lambda p: npz(p, probeGuess=np.full((16, 16), np.nan + 0j))
)
case("npz", "a probe of another size", "the probe is 1 x 8 x 8")(
    lambda p: npz(p, probeGuess=np.ones((8, 8), complex))
)
case("npz", "a mask of everything", "bad pixels")(
    lambda p: npz(p, bad_pixels=np.ones((16, 16), bool))
)
case(
    "npz",
    "an index of fractions",
    r"scan_index: 20 numbers of type float64 for 20 frames\. Give an integer per frame",
)(lambda p: npz(p, scan_index=np.ones(20)))
case(
    "npz",
    "energy in keV",
    r"energy_ev is 0\.0088 eV, which is beyond 1 to 1e\+06 eV\. Correct its unit in the file, or "
    r"write energy_ev in the spec",
)(lambda p: npz(p, photon_energy_eV=0.0088, detector_distance_m=2.0, detector_pixel_size_m=75e-6))
case("npz", "a detector pixel in micrometres", "detector_pixel_m is 75 m")(
    lambda p: npz(p, photon_energy_eV=8800, detector_distance_m=2.0, detector_pixel_size_m=75)
)


def spoiled(value: float) -> np.ndarray:
    frames = contract()["diff3d"].astype(np.float64)
    frames[-1, 3, 4] = value
    return frames


@case("npz", "pickled frames", "pickled Python object")
def _(path: Path) -> None:
    npz(path, diff3d=np.array([Evil()], object))


@case("npz", "a pickled index", "pickled Python object")
def _(path: Path) -> None:
    npz(path, scan_index=np.array([Evil()] * 20, object))


@case("npz", "a bare pickle", "not an NPZ file")
def _(path: Path) -> None:
    path.write_bytes(pickle.dumps({"diff3d": Evil()}))


@case("npz", "a pickle called an array", "damaged or cut off")
def _(path: Path) -> None:
    member(path, "xcoords.npy", pickle.dumps([1.0, 2.0]))


@case(
    "npz",
    "a bomb",
    r"diff3d: this array claims 80 MB, but the file holds \d+ bytes of it\. Look where the file "
    "comes from; write it again if it is yours",
)
def _(path: Path) -> None:
    file = io.BytesIO()
    header = {"descr": "<u2", "fortran_order": False, "shape": (20, 1000, 2000)}
    np.lib.format.write_array_header_1_0(file, header)
    with zipfile.ZipFile(path) as old:
        kept = [(one, old.read(one)) for one in old.namelist() if one != "diff3d.npy"]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for one, content in kept:
            new.writestr(one, content)
        with new.open("diff3d.npy", "w", force_zip64=True) as frames:
            frames.write(file.getvalue())
            frames.write(bytes(80_000_000))


@case(
    "npz",
    "an array that claims to be larger than memory",
    r"this array of shape \(1000000000000,\) would take 8e\+03 GB of memory\. Look where the file",
)
def _(path: Path) -> None:
    member(path, "xcoords.npy", npy(np.ones(20), shape=(10**12,)))


@case(
    "npz",
    "frames larger than those of any detector",
    r"diff3d: frames of shape \(20, 20000, 20000\) are larger than any detector's\. Look where the "
    "file comes from",
)
def _(path: Path) -> None:
    member(path, "diff3d.npy", npy(np.ones(20), shape=(20, 20_000, 20_000)))


@case(
    "npz",
    "a header of another version",
    r"xcoords: this array has a header of version 3\.0, not 1\.0 or 2\.0\. Save it again as a "
    "plain numeric array with numpy.savez",
)
def _(path: Path) -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ones(20), version=(3, 0))
    member(path, "xcoords.npy", file.getvalue())


@case("npz", "a shape beyond all numbers", "its shape is")
def _(path: Path) -> None:
    member(path, "xcoords.npy", npy(np.ones(20), shape=(10**30,)))


@case("npz", "a negative shape", "its shape is")
def _(path: Path) -> None:
    member(path, "xcoords.npy", npy(np.ones(20), shape=(-20,)))


@case(
    "npz",
    "a member that leads out of it",
    r"it holds a member named '\.\./\.\./evil\.npy', which leads out of the file\. Look where",
)
def _(path: Path) -> None:
    member(path, "../../evil.npy", npy(np.ones(3)))


@case("npz", "a member with an absolute name", "leads out of the file")
def _(path: Path) -> None:
    member(path, "/etc/evil.npy", npy(np.ones(3)))


@case("npz", "an array that is there twice", "is there twice")
def _(path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as file:
        file.writestr("xcoords.npy", npy(np.arange(20.0)))


@case("npz", "a header that is code", "damaged or cut off")
def _(path: Path) -> None:
    text = b"__import__('os').system('true')".ljust(117) + b"\n"
    member(path, "xcoords.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)


@case("npz", "an unknown compression", "damaged or cut off")
def _(path: Path) -> None:
    data = path.read_bytes()
    central = data.index(b"PK\x01\x02")
    local = data[:8] + struct.pack("<H", 97) + data[10:central]
    path.write_bytes(
        local + data[central : central + 10] + struct.pack("<H", 97) + data[central + 12 :]
    )


# Ptychodus' folder


def product(key: str, change: Callable[[h5py.File], Any]) -> Change:
    def do(path: Path) -> None:
        with h5py.File(path / f"{key}.h5", "r+") as file:
            change(file)

    return do


def attribute(where: str, name: str, value: Any) -> Callable[[h5py.File], Any]:
    return lambda file: file[where].attrs.__setitem__(name, value)


BOTH = r"Put product\.h5 and diffraction\.h5 into one folder, or write files\.frames"
case(
    "folder",
    "no frames",
    rf"this product has no frames: there is no diffraction\.h5 beside it\. {BOTH}",
)(lambda p: (p / "diffraction.h5").unlink())
case("folder", "no product", rf"there is no product\.h5 in it\. {BOTH}")(
    lambda p: (p / "product.h5").unlink()
)
AGAIN = "Copy or write the file again"
case(
    "folder",
    "a product that is cut off",
    rf"product\.h5: this HDF5 file is damaged or cut off \(.*\)\. {AGAIN}",
)(lambda p: cut_off(p / "product.h5", 0.7))
case("folder", "frames that are cut off", "damaged|cut off")(
    lambda p: cut_off(p / "diffraction.h5", 0.6)
)
case("folder", "a text called product.h5", "damaged or cut off")(
    lambda p: (p / "product.h5").write_text("x" * 5000)
)
case("folder", "no object", "object: there is no such dataset")(
    product("product", lambda f: f.__delitem__("object"))
)
case("folder", "an object of rank 1", "the object is an array of shape")(
    product("product", lambda f: replaced(f, "object", np.ones(5, complex)))
)
case("folder", "more indexes than positions", "31 indexes, 30 x")(
    product("product", lambda f: replaced(f, "probe_position_indexes", np.arange(31)))
)
case("folder", "fewer x than y", "29 x and 30 y")(
    product("product", lambda f: replaced(f, "probe_position_x_m", np.zeros(29)))
)
case("folder", "NaN among the positions", "NaN or infinite")(
    product("product", lambda f: f["probe_position_x_m"].__setitem__(4, np.nan))
)
case("folder", "positions in micrometres", "the canvas would be|do not overlap|from zero")(
    product(
        "product",
        lambda f: replaced(f, "probe_position_x_m", f["probe_position_x_m"][()] * 1e6),
    )
)
case("folder", "an energy in keV", "its pixels are")(
    product("product", attribute("/", "photon_energy_eV", 8.8))
)
case("folder", "a distance in millimetres", "distance_m is 1900")(
    product("product", attribute("/", "detector_object_distance_m", 1900.0))
)
case("folder", "an energy that is text", "attribute photon_energy_eV is no number")(
    product("product", attribute("/", "photon_energy_eV", "8.8 keV"))
)
case(
    "folder",
    "detector pixels that are not square",
    r"diffraction\.h5 patterns: detector pixels are 5\.5e-05 m x 7\.5e-05 m, not square\. "
    "Resample the frames to square pixels",
)(product("diffraction", attribute("patterns", "detector_pixel_width_m", 55e-6)))
case(
    "folder",
    "a near field",
    r"this is a near-field scan: the file says so\. Only far-field scans are understood",
)(product("product", attribute("/", "far_field", False)))
case(
    "folder",
    "an object with other pixels",
    r"product\.h5 object: its pixels are 1e-08 m x 1\.115e-07 m, but energy, distance and detector "
    r"make them 1\.115e-07 m\. Correct what is wrong, or write energy_ev, distance_m, "
    "detector_pixel_m in the spec",
)(product("product", attribute("object", "pixel_width_m", 1e-8)))
case(
    "folder",
    "an object whose place nobody knows",
    r"product\.h5 object: the object lacks center_x_m and center_y_m\. Save the product again",
)(
    product(
        "product",
        lambda f: [f["object"].attrs.__delitem__(f"center_{axis}_m") for axis in "xy"],
    )
)
case(
    "folder",
    "indexes that no float can tell apart",
    r"diffraction\.h5 indexes: indexes are beyond 2\^53\. Give smaller integers",
)(product("diffraction", lambda f: replaced(f, "indexes", np.arange(30) + 2**60)))
case("folder", "indexes of other frames", "none is the same")(
    product("diffraction", lambda f: replaced(f, "indexes", np.arange(30) + 1000))
)
case("folder", "fewer indexes than frames", "29 indexes are given for 30 frames")(
    product("diffraction", lambda f: replaced(f, "indexes", np.arange(29) * 2 + 7))
)
case("folder", "patterns of rank 4", "patterns are an array of shape")(
    product("diffraction", lambda f: replaced(f, "patterns", f["patterns"][()][None]))
)
case("folder", "patterns that are objects", "not plain numbers")(
    product("diffraction", lambda f: replaced(f, "patterns", ["one", "two"]))
)
case("folder", "patterns with fields", "not plain numbers")(
    product("diffraction", lambda f: replaced(f, "patterns", np.zeros(30, "u2,f4")))
)
case(
    "folder",
    "indexes that are fractions",
    r"indexes: indexes are not whole numbers\. Give integers",
)(product("diffraction", lambda f: replaced(f, "indexes", np.arange(30) + 0.5)))
case(
    "folder", "a group called patterns", r"patterns: this is a group, no array\. There are /bad_pi"
)(product("diffraction", lambda f: (f.__delitem__("patterns"), f.create_group("patterns"))))
case("folder", "a probe of real numbers", "the probe is real")(
    product("product", lambda f: replaced(f, "probe", np.ones((32, 32))))
)


@case("folder", "frames that were never written", "claims 2000 MB")
def _(path: Path) -> None:
    with h5py.File(path / "diffraction.h5", "r+") as file:
        del file["patterns"]
        file.create_dataset("patterns", (10**5, 100, 100), "u2", chunks=(1, 100, 100))


@case("folder", "frames in another folder", "outside of this file's folder")
def _(path: Path) -> None:
    with h5py.File(path / "diffraction.h5", "r+") as file:
        del file["patterns"]
        file["patterns"] = h5py.ExternalLink("../elsewhere.h5", "patterns")


@case("folder", "frames put together from elsewhere", "outside of this file's folder")
def _(path: Path) -> None:
    layout = h5py.VirtualLayout((30, 32, 32), "u2")
    layout[:] = h5py.VirtualSource("/etc/shadow.h5", "patterns", (30, 32, 32))
    with h5py.File(path / "diffraction.h5", "r+") as file:
        del file["patterns"]
        file.create_virtual_dataset("patterns", layout)


@case(
    "folder",
    "frames whose bytes are damaged",
    rf"patterns: this cannot be read: damaged, or cut off \(.*\)\. {AGAIN}",
)
def _(path: Path) -> None:
    with h5py.File(path / "diffraction.h5", "r+") as file:
        frames, attributes = file["patterns"][()], dict(file["patterns"].attrs)
        del file["patterns"]
        new = file.create_dataset("patterns", data=frames, chunks=(1, 32, 32), fletcher32=True)
        new.attrs.update(attributes)
        at = new.id.get_chunk_info(3).byte_offset
    data = bytearray((path / "diffraction.h5").read_bytes())
    data[at] ^= 0xFF
    (path / "diffraction.h5").write_bytes(data)


@case(
    "folder",
    "frames that are the bytes of another file",
    r"its numbers lie in other files \('/etc/passwd'\), not in HDF5\. Copy it with h5repack",
)
def _(path: Path) -> None:
    with h5py.File(path / "diffraction.h5", "r+") as file:
        del file["patterns"]
        file.create_dataset(
            "patterns", (30, 32, 32), "u2", external=[("/etc/passwd", 0, 30 * 32 * 32 * 2)]
        )


# CXI, other HDF5


def changed(change: Callable[[h5py.File], Any]) -> Change:
    def do(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            change(file)

    return do


ENERGY = "/entry_1/instrument_1/source_1/energy"
PLACES = "/entry_1/sample_1/geometry_1/translation"
case(
    "cxi",
    "no frames",
    r"there are no frames: neither /entry_1/data_1/data nor .*/data\. Put diffraction\.cxi beside",
)(
    changed(lambda f: (f["entry_1/data_1"].__delitem__("data"),
                       f["entry_1/instrument_1/detector_1"].__delitem__("data")))
)  # fmt: skip
case("cxi", "an energy in electronvolts", "energy_ev is")(
    changed(lambda f: replaced(f, ENERGY, 8800.0))
)
case(
    "cxi",
    "an energy in an unknown unit",
    r"energy: its unit is 'furlongs', which is not known here\. Give the number in the spec",
)(changed(attribute(ENERGY, "units", "furlongs")))
case(
    "cxi",
    "more positions than indexes",
    r"translation: 28 indexes for 29 positions\. Give one for each",
)(
    changed(
        lambda f: (
            replaced(f, PLACES, np.zeros((29, 3))),
            replaced(f, "/entry_1/ptychopinn_batch/scan_index", np.arange(28)),
        )
    )
)
case("cxi", "translations of one number", "translations are an array of shape")(
    changed(lambda f: replaced(f, PLACES, np.ones((30, 1))))
)
case("cxi", "no positions", "there are no positions")(
    changed(lambda f: (f["entry_1/sample_1"].__delitem__("geometry_1"),
                       f["entry_1/data_1"].__delitem__("translation")))
)  # fmt: skip
case("cxi", "a mask of another size", "a mask of shape")(
    changed(
        lambda f: replaced(f, "/entry_1/instrument_1/detector_1/mask", np.zeros((3, 3), np.uint32))
    )
)
case("hdf5", "a name that is not there", "/nothing: there is no such dataset")(lambda p: None)
case("hdf5", "no unit", "these positions have no unit")(
    changed(lambda f: f["x"].attrs.__delitem__("units"))
)
case(
    "hdf5",
    "units of time",
    r"x: their unit is 's', which is not known here\. Write position_unit: px, m, mm, um or nm",
)(changed(attribute("x", "units", "s")))
case(
    "hdf5",
    "frames of rank 2",
    r"/frames: the frames array has 2 axes \(30, 32\)\. Give frames x rows x columns, or a grid",
)(changed(lambda f: replaced(f, "frames", np.ones((30, 32), np.uint16))))
case("hdf5", "pixels and metres", "one is in pixels, one is not")(
    changed(attribute("x", "units", "px"))
)


# TIFF

case("tiff", "one that is cut off", "cannot be read|is empty|no page|others")(
    lambda p: cut_off(p / "frame_7.tif", 0.4)
)
case(
    "tiff",
    "one that is text",
    r"frame_7\.tif: this TIFF file cannot be read \(.*\)\. Copy or write the file again, uncompr",
)(lambda p: (p / "frame_7.tif").write_text("no image"))
case("tiff", "one of another size", r"others uint16 of \(32, 32\)")(
    lambda p: tifffile.imwrite(p / "frame_7.tif", np.ones((16, 16), np.uint16))
)
case(
    "tiff",
    "one in colour",
    r"frame_0\.tif: its images have 3 axes \(32, 32, 3\)\. Give grey images of numbers",
)(lambda p: tifffile.imwrite(p / "frame_0.tif", np.ones((32, 32, 3), np.uint8)))
case(
    "tiff",
    "one of two pages",
    r"frame_7\.tif: it has 2 pages, the file before it 1\. Remove files that are no frames",
)(
    lambda p: tifffile.imwrite(
        p / "frame_7.tif", np.ones((2, 32, 32), np.uint16), photometric="minisblack"
    )
)
case("tiff", "one too many", "positions are given for 30 frames, but there are 31")(
    lambda p: tifffile.imwrite(p / "frame_99.tif", np.ones((32, 32), np.uint16))
)
case("tiff", "no table", "there are no positions")(lambda p: (p / "places.csv").unlink())
case(
    "tiff",
    "two tables",
    r"there are 2 tables beside the frames\. Write files\.positions: the right one",
)(lambda p: (p / "more.csv").write_text("x,y\n"))
case("tiff", "a table without header", "has no header")(
    lambda p: (p / "places.csv").write_text("1,2\n3,4\n")
)
case("tiff", "a table with a hole", "places.csv:3: a number is expected in column 2")(
    lambda p: (p / "places.csv").write_text("x_um,y_um\n1,2\n3\n")
)
case("tiff", "a table that is no text", "this is no text")(
    lambda p: (p / "places.csv").write_bytes(b"x_um,y_um\n\xff\xfe\x00")
)
case("tiff", "a table of other columns", "no columns x and y")(
    lambda p: (p / "places.csv").write_text("theta,phi\n1,2\n")
)


@pytest.fixture
def kinds(physical, tmp_path):
    """A scan of each kind as it should be, made when asked for."""

    def npz_file() -> Scan:
        npz(tmp_path / "scan.npz")
        return Scan(path=str(tmp_path / "scan.npz"))

    def folder() -> Scan:
        WRITERS["ptychodus"].write(physical, tmp_path / "scan")
        return Scan(path=str(tmp_path / "scan"))

    def cxi() -> Scan:
        WRITERS["cxi"].write(physical, tmp_path / "scan.cxi")
        return Scan(path=str(tmp_path / "scan.cxi"))

    def hdf5() -> Scan:
        with h5py.File(tmp_path / "scan.nxs", "w") as file:
            file["frames"], file["probe"] = physical.frames.array, physical.probe
            for axis, values in zip("xy", physical.positions.T, strict=True):
                file[axis] = values * 0.117
                file[axis].attrs["units"] = "um"
        names = Datasets(frames="/frames", x="/x", y="/y", probe="/probe")
        optics = {"energy_ev": 8800.0, "distance_m": 1.9, "detector_pixel_m": 75e-6}
        return Scan(path=str(tmp_path / "scan.nxs"), datasets=names, **optics)

    def tiff() -> Scan:
        folder = tmp_path / "frames"
        folder.mkdir()
        np.save(tmp_path / "probe.npy", physical.probe)
        for number, frame in enumerate(physical.frames.array):
            tifffile.imwrite(folder / f"frame_{number}.tif", frame)
        rows = "".join(f"{x},{y}\n" for x, y in physical.positions)
        (folder / "places.csv").write_text("x_px,y_px\n" + rows)
        return Scan(path=str(folder), files=Files(probe=str(tmp_path / "probe.npy")))

    return SimpleNamespace(npz=npz_file, folder=folder, cxi=cxi, hdf5=hdf5, tiff=tiff)


@pytest.mark.parametrize("kind", ["npz", "folder", "cxi", "hdf5", "tiff"])
def test_a_scan_without_a_mistake_is_read(kinds, kind):
    take_all(getattr(kinds, kind)())


@pytest.mark.parametrize("name", CASES)
def test_a_broken_file_is_one_clear_error(kinds, name, tmp_path):
    kind, change, message = CASES[name]
    scan = getattr(kinds, kind)()
    if name.endswith("a name that is not there"):
        names = scan.datasets.model_copy(update={"frames": "/nothing"})
        scan = scan.model_copy(update={"datasets": names})
    change(Path(scan.path))
    with pytest.raises(UserError, match=message) as caught:
        take_all(scan)
    text = str(caught.value)
    assert str(tmp_path) in (caught.value.where or "")
    assert caught.value.mend
    assert "\n" not in text
    assert len(text) < 1000
    assert not Path("/tmp/ptychopinn-batch-was-unpickled").exists()


def test_there_are_more_than_sixty():
    assert len(CASES) >= 60
