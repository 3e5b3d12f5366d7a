"""Starts a command and tells what it took: `starter.py USAGE.json COMMAND...`.

The largest memory of a process counts from that of the one that it was forked from: this one is so
small that it does not matter.
"""

import json
import resource
import subprocess
import sys
import time

UNIT = 1 if sys.platform == "darwin" else 1024  # getrusage counts in bytes there, in KiB here


def main() -> int:
    told, *command = sys.argv[1:]
    began = time.perf_counter()
    status = subprocess.call(command)
    seconds = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss * UNIT / 1e6,
    }
    with open(told, "w") as file:  # noqa: PTH123 - pathlib is larger than all of this
        json.dump(found, file)
    return status


if __name__ == "__main__":
    sys.exit(main())
