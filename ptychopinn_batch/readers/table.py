"""Tables of positions: CSV, or text in columns.

With a header the columns are found by name: x and y, with a unit as in `x_um` or `y [nm]`; `index`
or `frame` holds the frame's number counted from 0, `file` the name of its file. A comment above the
numbers that names x and y is a header, as numpy writes one. Without one the spec names the columns,
for habits differ: Ptychodus has y first in CSV and x first in text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.recording import Track, Unit
from ptychopinn_batch.readers.units import position_unit

LARGEST = 2**30  # bytes of a table
COLUMN = re.compile(r"^(x|y)_?(?:pos(?:ition)?|coords?)?\s*[_\[(]?\s*([a-zµμå]*)\s*[\])]?$")
INDEXES = ("index", "frame", "scan_index", "number")
NAMES = ("file", "filename", "name")


@dataclass(frozen=True)
class Table:
    """Lines of a table, split: numbers of the lines in the file, and their cells."""

    path: Path
    header: tuple[str, ...] | None
    numbers: tuple[int, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, at: int) -> NDArray[np.float64]:
        """Numbers of a column; UserError names the line that has none."""
        values = np.empty(len(self.rows))
        for row, (number, cells) in enumerate(zip(self.numbers, self.rows, strict=True)):
            try:
                values[row] = float(cells[at])
            except (ValueError, IndexError):
                found = repr(cells[at][:40]) if at < len(cells) else "nothing"
                what = f"a number is expected in column {at + 1}, found {found}"
                raise UserError(
                    what, where=f"{self.path}:{number}", mend="Correct the line"
                ) from None
        return values


@dataclass(frozen=True)
class _Columns:
    """Where x and y stand, their units, and what says which frame a line is of."""

    x: int
    y: int
    units: tuple[str, str]
    index: int | None = None
    file: int | None = None


def read_track(path: Path, options: Scan, frames: tuple[str, ...] = ()) -> Track:
    """The positions in a table. `frames`: names of the frames' files, for a column of them."""
    table = _read(path)
    columns = _columns(table, options)
    xy = np.stack([table.column(columns.x), table.column(columns.y)], 1)
    unit, factor = _unit(table, columns, options)
    return Track(xy * factor, unit, str(path), _index(table, columns, frames))


def _read(path: Path) -> Table:
    """All lines but empty ones and comments."""
    numbers, rows, above = [], [], ""
    for number, line in enumerate(_lines(path), 1):
        text = line.split("#", 1)[0].strip()
        if text:
            numbers.append(number)
            rows.append(_cells(text))
        elif not rows and line.strip():
            above = line.strip().lstrip("# ")
    if not rows:
        raise UserError("there is nothing in this table", where=str(path), mend="Give positions")
    if not _is_number(rows[0][0]):
        return Table(path, _lower(rows[0]), tuple(numbers[1:]), tuple(rows[1:]))
    return Table(path, _commented(above, len(rows[0])), tuple(numbers), tuple(rows))


def _commented(text: str, columns: int) -> tuple[str, ...] | None:
    """The names in a comment, where it names every column, x and y among them."""
    names = _lower(_cells(text))
    return names if len(names) == columns and len(_coordinates(names)) == 2 else None


def _lower(cells: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(cell.casefold() for cell in cells)


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > LARGEST:
            what = f"this table is larger than {LARGEST >> 20} MiB"
            raise UserError(what, where=str(path), mend="Give a table of positions")
        return path.read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise UserError("no such file", where=str(path), mend="Check the path") from None
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise UserError(what, where=str(path), mend="Check the path") from None
    except UnicodeDecodeError:
        raise UserError("this is no text", where=str(path), mend="Give a CSV file") from None


def _cells(line: str) -> tuple[str, ...]:
    """Split at commas, semicolons or tabs, else at spaces."""
    mark = next((mark for mark in (",", ";", "\t") if mark in line), None)
    return tuple(cell.strip().strip("\"'") for cell in line.split(mark))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _columns(table: Table, options: Scan) -> _Columns:
    if table.header is None:
        return _unnamed(table, options)
    found = _coordinates(table.header)
    if len(found) < 2:
        what = f"no columns x and y among {', '.join(table.header)[:200]}"
        raise UserError(what, where=f"{table.path}:1", mend="Name them, such as x_um,y_um")
    (x, x_unit), (y, y_unit) = found["x"], found["y"]
    return _Columns(x, y, (x_unit, y_unit), _named(table, INDEXES), _named(table, NAMES))


def _coordinates(names: tuple[str, ...]) -> dict[str, tuple[int, str]]:
    """Of x and y the column and its unit, as far as they are named."""
    found: dict[str, tuple[int, str]] = {}
    for at, name in enumerate(names):
        if (match := COLUMN.match(name)) and match[1] not in found:
            found[match[1]] = at, match[2]
    return found


def _unnamed(table: Table, options: Scan) -> _Columns:
    if options.position_columns is None:
        what = "this table has no header, so it does not say which column is x"
        mend = "Write position_columns: [x, y] or [y, x]; Ptychodus writes [y, x] in CSV files"
        raise UserError(what, where=str(table.path), mend=mend)
    if (columns := len(table.rows[0])) > len(options.position_columns):
        what = f"this table has {columns} columns and no header, so one is neither x nor y"
        mend = "Name them above the numbers, such as index,x_um,y_um"
        raise UserError(what, where=str(table.path), mend=mend)
    x = options.position_columns.index("x")
    return _Columns(x, 1 - x, ("", ""))


def _named(table: Table, names: tuple[str, ...]) -> int | None:
    header = table.header or ()
    return next((at for at, cell in enumerate(header) if cell in names), None)


def _unit(table: Table, columns: _Columns, options: Scan) -> tuple[Unit, float]:
    x, y = columns.units if options.position_unit == "auto" else (options.position_unit,) * 2
    if x != y:
        what = f"x is in {x or 'no unit'}, y in {y or 'none'}"
        raise UserError(what, where=str(table.path), mend="Write position_unit")
    return position_unit(x, str(table.path))


def _index(table: Table, columns: _Columns, frames: tuple[str, ...]) -> NDArray[np.int64] | None:
    """Which frame each line is of; None: line by line."""
    if columns.file is not None and frames:
        return _by_name(table, columns.file, frames)
    if columns.index is None:
        return None
    numbers = table.column(columns.index)
    whole = np.isfinite(numbers) & (np.abs(numbers) < 2**53) & (numbers == np.rint(numbers))
    if not whole.all():
        line = table.numbers[int(np.argmin(whole))]
        what = f"a frame's number is expected, found {numbers[int(np.argmin(whole))]:g}"
        raise UserError(what, where=f"{table.path}:{line}", mend="Give whole numbers from 0")
    return numbers.astype(np.int64)


def _by_name(table: Table, column: int, frames: tuple[str, ...]) -> NDArray[np.int64]:
    place = {name: at for at, name in enumerate(frames)}
    found = []
    for number, cells in zip(table.numbers, table.rows, strict=True):
        name = Path(cells[column]).name if column < len(cells) else ""
        if name not in place:
            what = f"there is no frame in a file named {name[:80]!r}"
            mend = "Correct the name, or remove the column"
            raise UserError(what, where=f"{table.path}:{number}", mend=mend)
        found.append(place[name])
    return np.array(found, np.int64)
