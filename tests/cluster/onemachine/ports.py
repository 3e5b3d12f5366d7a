"""Free TCP ports on this machine."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from onemachine.console import Failure, say
from onemachine.waiting import wait_for

# Below those of outgoing connections (32768 and up) and those that Lightning (15000 to 24999) and
# submitit (20000 to 60000) choose for MASTER_PORT.
FIRST, LAST = 10_000, 14_999
# An abstract Unix socket: no file, gone with its process, known as far as the ports are.
TURN = "\0slurm-test-cluster-up"
PATIENCE = 90  # seconds to wait for one's turn


@contextmanager
def in_turn() -> Iterator[None]:
    """From choosing ports until daemons listen on them: one cluster of this machine at a time."""
    with socket.socket(socket.AF_UNIX) as turn:
        if not wait_for(lambda: binds(turn, TURN), PATIENCE):
            say("another cluster is still being started; going on beside it")
        yield


def binds(sock: socket.socket, address: str | tuple[str, int]) -> bool:
    try:
        sock.bind(address)
    except OSError:
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Distinct ports, at random: those of a node that was killed are free for the moment."""
    ports: list[int] = []
    for port in random.sample(range(FIRST, LAST + 1), 1000):
        if is_free(port):
            ports.append(port)
        if len(ports) == count:
            return ports
    raise Failure(f"no free TCP ports between {FIRST} and {LAST}")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return binds(probe, ("0.0.0.0", port))


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
