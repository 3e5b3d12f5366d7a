"""Nothing is lost: files appear whole, lines survive those who die while writing."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc import fsio
from hpc.errors import StateError
from hpc.fsio import (
    append_line,
    publish_folder,
    read_json,
    read_lines,
    sha256_file,
    write_atomic,
    write_new,
)
from hpc.record import Record

lines_of_text = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\n\x18")).filter(bool)
)


def test_a_file_is_replaced_whole_and_leaves_no_other_name(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, "one")
    write_atomic(path, b"two", durable=False)
    assert path.read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*a\.json'"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@settings(max_examples=30)
@given(lines_of_text)
def test_appended_lines_are_read_back(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.touch()
        for line in lines:
            append_line(path, line)
        assert read_lines(path) == lines


@settings(max_examples=30)
@given(lines_of_text, st.data())
def test_a_torn_tail_costs_its_own_line_only(lines: list[str], data: st.DataObject) -> None:
    whole = "".join(f"{line}\n" for line in lines).encode()
    cut = data.draw(st.integers(0, len(whole)))
    survivors = whole[:cut].decode(errors="ignore").split("\n")[:-1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(whole[:cut])
        assert read_lines(path) == survivors
        append_line(path, "next")
        append_line(path, "last")
        assert read_lines(path) == [*survivors, "next", "last"]
        assert whole[:cut] in path.read_bytes()  # torn bytes are kept for who wants to look


@pytest.mark.parametrize("line", ["a\nb", "", "looks torn\x18"])
def test_what_could_not_be_read_back_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(ValueError, match="single line"):
        append_line(tmp_path / "log", line)
    assert not (tmp_path / "log").exists()


def test_a_line_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"good\n\xff\xfe\ngood\n")
    with pytest.raises(StateError, match=r"log:2: .*not text"):
        read_lines(path)


def test_a_writer_killed_at_any_moment_loses_nothing_it_was_told_is_written(
    tmp_path: Path,
) -> None:
    script = (
        "import sys, itertools; from pathlib import Path; from hpc.fsio import append_line\n"
        "for i in itertools.count():\n"
        "    append_line(Path(sys.argv[1]), f'line {i}'); print(i, flush=True)"
    )
    path = tmp_path / "log"
    writer = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    with writer:
        assert writer.stdout is not None
        for _ in range(50):
            told = writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        told = [told, *writer.stdout.readlines()][-1]
    lines = read_lines(path)
    assert lines == [f"line {i}" for i in range(len(lines))]
    assert len(lines) >= int(told)


def test_appending_works_where_files_cannot_be_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fsio.fcntl, "flock", no_locks)
    append_line(tmp_path / "log", "a")
    assert read_lines(tmp_path / "log") == ["a"]


def test_a_full_disk_is_an_error_not_a_silence() -> None:
    with pytest.raises(OSError, match="No space"):
        append_line(Path("/dev/full"), "a")


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    assert write_new(tmp_path / "a", "first")
    assert not write_new(tmp_path / "a", "second")
    assert (tmp_path / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_of_writers_that_come_at_once_one_has_written_a_new_file(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda name: write_new(tmp_path / "a", name), "abcdefgh"))
    assert sum(won) == 1
    assert (tmp_path / "a").read_text() == "abcdefgh"[won.index(True)]


def test_a_folder_is_published_whole_under_a_free_name(tmp_path: Path) -> None:
    built = tmp_path / "built"
    (built / "inner").mkdir(parents=True)
    (built / "inner" / "data").write_text("x")
    (built / "link").symlink_to("inner/data")
    publish_folder(built, tmp_path / "final")
    assert (tmp_path / "final" / "inner" / "data").read_text() == "x"
    assert not built.exists()


def test_a_published_folder_is_never_replaced(tmp_path: Path) -> None:
    for name in ("built", "final"):
        (tmp_path / name).mkdir()
    with pytest.raises(FileExistsError):
        publish_folder(tmp_path / "built", tmp_path / "final")
    assert (tmp_path / "built").exists()


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_file(tmp_path / "a").startswith("ba7816bf8f01cfea")


class Point(Record):
    x: int


def test_a_record_is_read_strictly_and_named_when_broken(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    write_atomic(path, '{"x": 1}')
    assert read_json(path, Point) == Point(x=1)
    write_atomic(path, '{"x": "1"}')
    with pytest.raises(StateError, match=r"p\.json: this file is not a valid Point \(x: "):
        read_json(path, Point)
    with pytest.raises(StateError, match=r"q\.json: this file is missing"):
        read_json(tmp_path / "q.json", Point)


def test_a_file_that_cannot_be_made_is_told_by_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_atomic(tmp_path / "nowhere" / "a.json", "new")
    assert caught.value.filename == str(tmp_path / "nowhere" / "a.json")


def test_a_disk_that_refuses_to_clean_up_does_not_hide_what_went_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system", "a temporary name")

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OSError, match="Read-only file system") as caught:
        write_atomic(tmp_path / "a.json", "new")
    assert caught.value.filename == str(tmp_path / "a.json")
