"""Writing so that nothing is lost: whole files or none, whole lines or marked ones.

A process may be killed between any two system calls here, and the next reader must still see a
state that was true at some moment.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from hpc.errors import StateError
from hpc.record import explain

__all__ = [
    "append_line",
    "publish_folder",
    "read_json",
    "read_lines",
    "sha256_file",
    "sync_file",
    "sync_folder",
    "whole_lines",
    "write_atomic",
    "write_changed",
    "write_new",
]

M = TypeVar("M", bound=BaseModel)

# Put behind a line that its writer did not finish (ASCII "cancel": what precedes is in error).
# The torn bytes stay in the file, and a reader can tell them from a line that was damaged later.
TORN = b"\x18"

# And one that has no hard links.
_NO_LINKS = {errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}

_PART = 1 << 16

# What a file system answers that cannot lock, or cannot sync a folder; both are extra safety.
_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK}


def write_atomic(path: Path, data: bytes | str, *, durable: bool = True) -> None:
    """Write a whole file or nothing: under another name beside it, synced, then renamed.

    Without `durable` the sync is left out: a power cut may then take the file, a kill may not.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with _naming(path), temporary.open("xb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # a read-only disk refuses this too
            temporary.unlink()
        raise
    if durable:
        sync_folder(path.parent)


def write_changed(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a whole file unless it says the same already; `durable` as for `write_atomic`."""
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == text.encode():
            return
    write_atomic(path, text, durable=durable)


def write_new(path: Path, data: bytes | str) -> bool:
    """Write a whole file unless there is one: of several writers, on any hosts, one succeeds.

    Where a file system has no hard links, the last of those that come in the same instant does.
    """
    if path.exists():
        return False
    ready = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.new")
    try:
        write_atomic(ready, data, durable=False)
        os.link(ready, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        ready.replace(path)
    finally:
        ready.unlink(missing_ok=True)
    return True


def append_line(path: Path, line: str) -> None:
    """Append one line with a single write and sync it; a torn line before it is marked as torn."""
    if not line or "\n" in line or line.endswith(TORN.decode()):
        raise ValueError(f"Expected a single line with something on it, got {line!r}")
    new = not path.exists()
    with _naming(path), path.open("ab+", buffering=0) as file, _exclusive(file.fileno()):
        prefix = TORN + b"\n" if _ends_torn(file.fileno()) else b""
        data = prefix + line.encode() + b"\n"
        # A full disk may take a part of it: the caller must know, the reader sees a torn line.
        if file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(file.fileno())
    if new:
        sync_folder(path.parent)


def read_lines(path: Path) -> list[str]:
    """Every whole line; a torn last line and those marked as torn are left out.

    Raises FileNotFoundError, and StateError where a line is not text.
    """
    return [line for _, line in numbered_lines(path)]


def whole_lines(path: os.PathLike[str]) -> list[bytes]:
    """The whole lines as they are, unchecked: for whoever reads thousands of files."""
    *whole, _ = _read(path).split(b"\n")
    return [line for line in whole if line and not line.endswith(TORN)]


def numbered_lines(path: os.PathLike[str]) -> list[tuple[int, str]]:
    """The whole lines with their numbers in the file, counted from 1."""
    *whole, _ = _read(path).split(b"\n")
    kept = [(n, line) for n, line in enumerate(whole, 1) if line and not line.endswith(TORN)]
    try:
        return [(number, line.decode()) for number, line in kept]
    except UnicodeDecodeError:
        number = next(n for n, line in kept if not _is_text(line))
        where, mend = f"{os.fspath(path)}:{number}", "Look at it; move the file away to begin anew"
        raise StateError("this line is damaged: not text", where=where, mend=mend) from None


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def publish_folder(temporary: Path, final: Path) -> None:
    """Sync everything in a folder, then give it its final name; raises if that name is taken."""
    if final.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final))
    for folder, _, names in os.walk(temporary):
        for name in names:
            sync_file(Path(folder) / name)
        sync_folder(Path(folder))
    temporary.rename(final)
    sync_folder(final.parent)


def sync_file(path: Path) -> None:
    """Wait until a file is on the disk; a link is none."""
    if path.is_symlink():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Make a rename in this folder survive a power cut, where the file system can."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with _tolerating_unsupported():
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path, model: type[M]) -> M:
    """A record from its JSON file; StateError names the file when it is missing or broken."""
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise StateError("this file is missing", where=str(path)) from None
    except ValidationError as error:
        what = f"this file is not a valid {model.__name__} ({explain(error)})"
        raise StateError(what, where=str(path)) from error


def _read(path: os.PathLike[str]) -> bytes:
    """All bytes of a small file; a status reads thousands, and `Path.read_bytes` takes twice."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        parts = [os.read(descriptor, _PART)]
        while len(parts[-1]) == _PART:  # a file gives less only at its end
            parts.append(os.read(descriptor, _PART))
    finally:
        os.close(descriptor)
    return b"".join(parts)


def _is_text(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ends_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Have what is raised say which file it was: not its temporary name, nor none at all."""
    try:
        yield
    except OSError as error:
        error.filename = os.fspath(path)
        raise


@contextlib.contextmanager
def _exclusive(descriptor: int) -> Iterator[None]:
    """Keep other appenders out between the look at the tail and the write, where that works."""
    with _tolerating_unsupported():
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield  # the lock goes with the descriptor


@contextlib.contextmanager
def _tolerating_unsupported() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
