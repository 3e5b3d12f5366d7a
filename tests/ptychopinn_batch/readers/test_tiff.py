"""Folders of TIFF files, and tables of positions."""

import numpy as np
import pytest
import tifffile

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Files, Scan
from ptychopinn_batch.readers.opened import input_files
from ptychopinn_batch.readers.table import read_track

from .conftest import GEOMETRY, frames_of, read


@pytest.fixture
def folder(physical, tmp_path):
    """A scan as one file for every frame, positions in pixels, the probe beside the folder."""
    folder = tmp_path / "scan"
    folder.mkdir()
    np.save(tmp_path / "probe.npy", physical.probe)
    for number, frame in enumerate(physical.frames.array):
        tifffile.imwrite(folder / f"frame_{number}.tif", frame)
    write_table(folder / "places.csv", physical.positions)
    return folder


def write_table(path, positions, header="x_px,y_px"):
    rows = "".join(f"{x!r},{y!r}\n" for x, y in positions.tolist())
    path.write_text(f"{header}\n{rows}" if header else rows)


def read_folder(path, **options):
    probe = str((path if path.is_dir() else path.parent).parent / "probe.npy")
    return read(path, **{"files": Files(probe=probe), **options})


def test_one_frame_in_each_file_in_the_order_of_numbers(folder, physical):
    raw = read_folder(folder)
    np.testing.assert_array_equal(frames_of(raw), physical.frames.array)
    np.testing.assert_array_equal(raw.positions, physical.positions)


def test_several_frames_in_each_file(folder, physical):
    for path in folder.glob("*.tif"):
        path.unlink()
    for number, part in enumerate(np.array_split(physical.frames.array, 4)):
        tifffile.imwrite(folder / f"part{number}.tiff", part, photometric="minisblack")
    np.testing.assert_array_equal(frames_of(read_folder(folder), 3), physical.frames.array)


def test_all_frames_in_one_file(folder, physical):
    path = folder / "stack.tif"
    tifffile.imwrite(path, physical.frames.array, photometric="minisblack", compression="zlib")
    np.testing.assert_array_equal(frames_of(read_folder(path)), physical.frames.array)


def test_lines_of_the_table_name_their_files(folder, physical):
    order = np.random.default_rng(0).permutation(30)
    places = physical.positions.tolist()
    rows = [f"frame_{row}.tif,{places[row][0]!r},{places[row][1]!r}" for row in order.tolist()]
    (folder / "places.csv").write_text("\n".join(["file,x [px],y [px]", *rows]))
    np.testing.assert_array_equal(read_folder(folder).positions, physical.positions)


def test_every_file_counts_for_the_identity(folder):
    scan = Scan(path=str(folder), files=Files(probe=str(folder.parent / "probe.npy")))
    names = [path.name for path in input_files(scan)]
    assert names == [*(f"frame_{number}.tif" for number in range(30)), "places.csv", "probe.npy"]


def test_positions_in_metres_by_the_geometry(folder, physical):
    pixel = GEOMETRY.pixel_size(32)
    write_table(folder / "places.csv", physical.positions * pixel * 1e9, "x_nm,y_nm")
    raw = read_folder(folder, **GEOMETRY.model_dump())
    moved, expected = (xy - xy[0] for xy in (raw.positions, physical.positions))
    np.testing.assert_allclose(moved, expected, atol=1e-9)


def test_a_folder_without_images_is_refused(tmp_path, refusal_of):
    assert refusal_of(read, tmp_path, format="tiff") == (
        "there are no TIFF files in it",
        str(tmp_path),
        "Check the path",
    )


class TestTables:
    @pytest.mark.parametrize(
        ("text", "options", "expected"),
        [
            ("x_um,y_um\n1,2\n3,4\n", {}, [[1e-6, 2e-6], [3e-6, 4e-6]]),
            ("# a comment\n\n y_mm ; x_mm \n1;2\n", {}, [[2e-3, 1e-3]]),
            ("X [nm]\tY [nm]\n1\t2\n", {}, [[1e-9, 2e-9]]),
            ('"xpos_m","ypos_m"\n"1","2"\n', {}, [[1, 2]]),
            (
                "1 2\n3 4\n",
                {"position_columns": ("x", "y"), "position_unit": "m"},
                [[1, 2], [3, 4]],
            ),
            ("1,2\n", {"position_columns": ("y", "x"), "position_unit": "mm"}, [[2e-3, 1e-3]]),
            ("x,y\n1,2\n", {"position_unit": "px"}, [[1, 2]]),
            ("# by hand\n# frame y_um x_um\n0 1 2\n", {}, [[2e-6, 1e-6]]),
            (
                "# x is up, y is left\n1 2\n",
                {"position_columns": ("x", "y"), "position_unit": "m"},
                [[1, 2]],
            ),
        ],
    )
    def test_columns_by_name_or_by_the_spec(self, tmp_path, text, options, expected):
        path = tmp_path / "table.csv"
        path.write_text(text)
        track = read_track(path, Scan(path="scan", **options))
        np.testing.assert_allclose(track.xy, expected, rtol=1e-15)
        assert track.unit == ("px" if options.get("position_unit") == "px" else "m")

    def test_a_name_that_no_frame_has_is_refused(self, folder, refusal_of):
        (folder / "places.csv").write_text("file,x_px,y_px\nframe_0.tif,1,2\nframe_x.tif,1,2\n")
        assert refusal_of(read_folder, folder) == (
            "there is no frame in a file named 'frame_x.tif'",
            f"{folder}/places.csv:3",
            "Correct the name, or remove the column",
        )

    def test_a_table_is_no_endless_file(self, tmp_path, refusal_of):
        path = tmp_path / "table.csv"
        with path.open("wb") as file:
            file.truncate(2**40)  # nothing on the disk
        assert refusal_of(read_track, path, Scan(path="scan")) == (
            "this table is larger than 1024 MiB",
            str(path),
            "Give a table of positions",
        )

    def test_numbers_of_frames(self, tmp_path):
        (tmp_path / "table.csv").write_text("frame,x_um,y_um\n3,1,2\n1,3,4\n")
        track = read_track(tmp_path / "table.csv", Scan(path="scan"))
        assert track.index.tolist() == [3, 1]

    def test_more_columns_than_are_named_are_refused(self, tmp_path, refusal_of):
        (tmp_path / "table.csv").write_text("7,1,2\n8,3,4\n")
        options = Scan(path="scan", position_columns=("x", "y"))
        assert refusal_of(read_track, tmp_path / "table.csv", options) == (
            "this table has 3 columns and no header, so one is neither x nor y",
            str(tmp_path / "table.csv"),
            "Name them above the numbers, such as index,x_um,y_um",
        )

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", r"table.csv: there is nothing in this table\. Give positions"),
            (
                "1,2\n",
                r"this table has no header, so it does not say which column is x\. Write "
                r"position_columns: \[x, y\]",
            ),
            ("theta,phi\n1,2\n", r"table.csv:1: no columns x and y among theta, phi\. Name them"),
            ("x,y\n1,2\n", "have no unit"),
            ("x_um,y_nm\n1,2\n", "x is in um, y in nm"),
            (
                "x_furlong,y_furlong\n1,2\n",
                r"their unit is 'furlong', which is not known here\. Write position_unit: px",
            ),
            ("frame,x_um,y_um\n1.5,1,2\n", r"table.csv:2: a frame's number is expected, found 1.5"),
            ("x_um,y_um\n1,two\n", r"table.csv:2: a number is expected in column 2, found 'two'"),
        ],
    )
    def test_what_is_wrong_is_told_with_its_line(self, tmp_path, text, message):
        (tmp_path / "table.csv").write_text(text)
        with pytest.raises(UserError, match=message):
            read_track(tmp_path / "table.csv", Scan(path="scan"))
