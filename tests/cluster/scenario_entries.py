"""Entry points of the scenarios: tasks that meet one fault, and know by their attempt when."""

import os
import signal
import time
from pathlib import Path

from hpc.context import Requeue, TaskContext


def marks(context: TaskContext) -> Path:
    """Where a task leaves a line for every time it was begun."""
    folder = context.run.folder / "marks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / context.task.id


def begin(context: TaskContext) -> None:
    with marks(context).open("a") as file:
        file.write(f"{context.attempt}\n")


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.05)


def quick(context: TaskContext) -> dict:
    begin(context)
    return {"id": context.task.id}


def gated(context: TaskContext) -> dict:
    """Runs until the gate is opened; takes no notice of signals."""
    begin(context)
    wait_for(context.run.folder / "gate")
    return {"id": context.task.id}


def counts(context: TaskContext) -> dict:
    """Counts to `to`, a number a second; what it has is kept on disk when it is asked to stop."""
    begin(context)
    state = marks(context).with_suffix(".state")
    number = int(state.read_text()) if state.exists() else 0
    while number < context.task.params["to"]:
        if context.should_stop():
            raise Requeue(f"kept {number}")
        time.sleep(0.2)
        number += 1
        state.write_text(str(number))
    return {"counted": number}


def patient(context: TaskContext) -> dict:
    """Waits for the gate, and keeps what it has (nothing) when it is asked to stop."""
    begin(context)
    while not (context.run.folder / "gate").exists():
        if context.should_stop():
            raise Requeue("waits on")
        time.sleep(0.05)
    return {"attempt": context.attempt}


def hungry_once(context: TaskContext) -> dict:
    """Takes more memory than it was given, the first time."""
    begin(context)
    if context.attempt == 1 and context.task.params["really"]:
        block = bytearray(context.task.params["mb"] * 10**6)
        block[::4096] = b"x" * len(block[::4096])
    elif context.attempt == 1:
        raise MemoryError("Unable to allocate")
    return {"attempt": context.attempt}


def slow_once(context: TaskContext) -> dict:
    """Takes too long the first time, and no notice of signals."""
    begin(context)
    if context.attempt == 1:
        time.sleep(600)
    return {"attempt": context.attempt}


def wrong(context: TaskContext) -> None:
    begin(context)
    raise ValueError("the frames do not fit")


def disk_full(context: TaskContext) -> None:
    """A disk without space, as the kernel has it for such cases."""
    begin(context)
    with Path("/dev/full").open("w") as file:
        file.write("x")


def dies(context: TaskContext) -> None:
    begin(context)
    os.kill(os.getpid(), signal.SIGKILL)
