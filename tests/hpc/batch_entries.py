"""Entry points of the tests' tasks: tiny, and each with one way to behave."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from hpc.errors import UserError
from hpc.worker import Requeue, TaskContext


def trace(context: TaskContext, what: str) -> None:
    """Leave a line that outlives the process, in the order in which things happened."""
    with (context.run.folder / "trace.txt").open("a") as file:
        file.write(f"{what} {context.task.id}\n")


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


def noop(context: TaskContext) -> dict:
    trace(context, "begin")
    trace(context, "end")
    return {"id": context.task.id, **context.task.params}


def gated(context: TaskContext) -> None:
    """Ends when the test opens the gate; takes no notice of signals."""
    trace(context, "begin")
    wait_for(context.run.folder / "gate")
    trace(context, "end")


def deaf(context: TaskContext) -> None:
    """Never ends by itself."""
    trace(context, "begin")
    time.sleep(600)


def polite(context: TaskContext) -> None:
    """Works until it is asked to stop, then wants to go on later."""
    trace(context, "begin")
    while not context.should_stop():
        time.sleep(0.01)
    trace(context, "stop")
    raise Requeue("state saved")


def stuck(context: TaskContext) -> None:
    """Is asked to stop before it has got any further than where it began."""
    while not context.should_stop():
        time.sleep(0.01)
    raise Requeue("nothing new to save", kept=False)


def second_time(context: TaskContext) -> dict:
    """Asks to be run again until its attempt is the one in `at`."""
    trace(context, "begin")
    if context.attempt < context.task.params["at"]:
        raise Requeue
    return {"attempt": context.attempt}


def parent(context: TaskContext) -> None:
    """Starts a process of its own and never ends."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (context.run.folder / "child.tmp").write_text(str(child.pid))
    (context.run.folder / "child.tmp").rename(context.run.folder / "child")
    time.sleep(600)


def counting(context: TaskContext) -> None:
    for step in range(1, 4):
        context.heartbeat(step=step, total=4, loss=1.0 / step, phase="fit")
    wait_for(context.run.folder / "gate")


def environment(context: TaskContext) -> dict:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
    return {name: os.environ.get(name) for name in names}


def speaks(context: TaskContext) -> None:
    print("said on stdout")
    print("said on stderr", file=sys.stderr)
    subprocess.run(["echo", "said by a child"], check=True)


def value_error(context: TaskContext) -> None:
    raise ValueError("the frames do not fit")


def user_error(context: TaskContext) -> None:
    raise UserError("no frames", where="scan.npz", mend="Give a file with frames")


def out_of_memory(context: TaskContext) -> None:
    raise MemoryError("Unable to allocate 3 TiB")


class OutOfMemoryError(RuntimeError):
    """What torch calls it where a GPU has too little."""


def out_of_gpu_memory(context: TaskContext) -> None:
    raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")


def disk_full(context: TaskContext) -> None:
    try:
        raise OSError(errno.ENOSPC, "No space left on device", "object.zarr")
    except OSError as error:
        raise RuntimeError("a library wrapped it") from error


def leaves(context: TaskContext) -> None:
    sys.exit(3)


def dies(context: TaskContext) -> None:
    os._exit(5)


def no_json(context: TaskContext) -> dict:
    return {"array": object()}


RANKS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")


def meets(context: TaskContext) -> dict:
    """Every rank leaves what its environment says; the first one waits for them all."""
    own = {name: os.environ.get(name) for name in RANKS}
    folder = context.run.folder / "ranks"
    folder.mkdir(exist_ok=True)
    (folder / f"{own['RANK']}.tmp").write_text(json.dumps(own))
    (folder / f"{own['RANK']}.tmp").rename(folder / f"{own['RANK']}.json")
    if own["RANK"] == "0":
        for rank in range(int(own["WORLD_SIZE"])):
            wait_for(folder / f"{rank}.json")
    return {}


def second_rank_fails(context: TaskContext) -> None:
    """The first rank waits for the second, which never comes."""
    if os.environ["RANK"] == "1":
        raise ValueError("only I fail")
    time.sleep(600)
