"""Logs that grow, shown as they do, like `tail -f`: of chosen tasks, or of all that run."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from hpc.paths import RunPaths
from hpc.status import Row, RunStatus
from ptychopinn_batch.commands.logfiles import log_files, start_of_end

__all__ = ["Follower"]


class Follower:
    """Shows what logs have gained since the last look, with a head when another log speaks.

    `chosen`: those tasks, the last `lines` of them to begin with. Without, the tasks that run, and
    whatever starts later from its start on.
    """

    def __init__(
        self,
        run: RunPaths,
        chosen: Collection[str],
        lines: int | None,
        say: Callable[[str], None],
    ) -> None:
        self._run = run
        self._chosen = chosen
        self._lines = lines
        self._say = say
        self._logs: dict[Path, _Growing] = {}
        self._known: dict[str, tuple[str, int]] | None = None  # status and attempt at the last look
        self._before: dict[Path, int] = {}  # what others had printed before the first look
        self._speaker = run.log(next(iter(chosen))) if len(chosen) == 1 else None
        self._in_line = False  # whether what was said last did not end its line

    def update(self, found: RunStatus) -> None:
        """Show what is new."""
        if self._known is None:
            self._before = _sizes(self._run)
        for row in found.rows:
            if self._speaks(row):
                for file in log_files(self._run, row):
                    self._show(row, file)
        self._known = {row.id: (row.status, row.attempt) for row in found.rows}

    def _speaks(self, row: Row) -> bool:
        if self._chosen:
            return row.id in self._chosen
        if row.status == "running":
            return True
        # It may have begun and ended since the last look; else its log need not be looked at.
        return self._known is not None and self._known.get(row.id) != (row.status, row.attempt)

    def _show(self, row: Row, file: Path) -> None:
        if file not in self._logs:
            self._logs[file] = _Growing(file, self._start(file))
        text = self._logs[file].more()
        if not text:
            return
        if file != self._speaker:
            self._say("\n" * self._in_line + f"==> {_title(self._run, row, file)} <==\n")
            self._speaker = file
        self._say(text)
        self._in_line = not text.endswith("\n")

    def _start(self, file: Path) -> int:
        """Where to begin with a log: near its end, or with what was added since the first look."""
        if self._known is None:
            return start_of_end(file, self._lines)
        return self._before.get(file, 0)


class _Growing:
    """A file that is read on from where the last look ended."""

    def __init__(self, file: Path, position: int) -> None:
        self._file = file
        self._position = position
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def more(self) -> str:
        """What was added; half a character waits for its other half."""
        try:
            with self._file.open("rb") as opened:
                opened.seek(self._position)
                data = opened.read()
        except FileNotFoundError:
            return ""
        self._position += len(data)
        return self._decoder.decode(data)


def _title(run: RunPaths, row: Row, file: Path) -> str:
    return row.id if file == run.log(row.id) else f"{row.id} ({file.name})"


def _sizes(run: RunPaths) -> dict[Path, int]:
    """How long every log is."""
    folders = (run.log_folder, run.slurm_log_folder)
    return dict(pair for folder in folders if folder.is_dir() for pair in _sizes_in(folder))


def _sizes_in(folder: Path) -> Iterator[tuple[Path, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file():
                yield Path(entry.path), entry.stat().st_size
