"""What holds for all tests: several processes share the cores, so threads must not wait awake."""

import os

from hpc.threads import SPINS

for name, value in SPINS.items():
    os.environ.setdefault(name, value)  # before anything imports torch
