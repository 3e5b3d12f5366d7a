"""Where a run of the client lies, from its input to its result."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from ptychopinn_batch.client.command import Run, find_command
from ptychopinn_batch.client.settings import ClientSettings

LOCAL = "local"


@contextmanager
def workplace(
    settings: ClientSettings, kind: str, is_stopping: Callable[[], bool]
) -> Iterator[Run]:
    """A run with a name of its own; a temporary folder goes unless the run fails."""
    name = f"{kind}-{datetime.now():%Y%m%d-%H%M%S-%f}"
    command, options = find_command(settings.command.get_value()), options_of(settings)
    kept = settings.runs_folder.get_value().strip()
    if kept:
        folder = Path(kept).expanduser().absolute()
        folder.mkdir(parents=True, exist_ok=True)
        yield Run(command, folder, name, options, is_stopping)
        return
    _need_local(settings)
    temporary = Path(tempfile.mkdtemp(prefix="ptychopinn-batch-"))
    try:
        yield Run(command, temporary, name, options, is_stopping)
    except RuntimeError:  # its message names the log, which lies there
        raise
    except BaseException:
        shutil.rmtree(temporary)
        raise
    shutil.rmtree(temporary)


def options_of(settings: ClientSettings) -> tuple[str, ...]:
    """The options of `submit` that settings come to."""
    options: list[str] = []
    for name in ("executor", "profile"):
        value = getattr(settings, name).get_value().strip()
        options += [f"--{name}", value] if value else []
    for word in shlex.split(settings.overrides.get_value()):
        options += ["--set", word]
    return tuple(options)


def _need_local(settings: ClientSettings) -> None:
    if settings.executor.get_value().strip() in ("", LOCAL) and not settings.profile.get_value():
        return
    raise ValueError(
        "A cluster cannot see this machine's temporary folder: set PtychoPINNBatch.runs_folder to "
        "a folder that its nodes share"
    )
