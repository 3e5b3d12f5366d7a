"""What a cluster consists of: what the user chose, and what was found out when it was made."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from onemachine.folder import Folder


@dataclass(frozen=True)
class Settings:
    """The user's choice."""

    nodes: int = 3  # slurmd daemons: node1, node2, ...
    cpus: int = 4  # declared per node; more than the machine has is fine
    mem: int = 4000  # MB declared per node; not reserved, but enforced per job
    gpus: int = 0  # fake GPUs per node: they only set CUDA_VISIBLE_DEVICES
    accounting: bool = True  # slurmdbd and MariaDB, so that sacct works
    plain: bool = False  # no namespaces


@dataclass(frozen=True)
class Layout:
    """Fixed for the life of a state folder."""

    settings: Settings
    controller_port: int
    database_port: int
    node_ports: tuple[int, ...]
    cgroups: bool  # whether memory cgroups enforce what jobs ask for

    @property
    def nodes(self) -> list[str]:
        return [f"node{number}" for number in range(1, self.settings.nodes + 1)]

    @property
    def daemons(self) -> list[str]:
        """In the order in which they are started."""
        database = ["mariadbd", "slurmdbd"] if self.settings.accounting else []
        return ["munged", *database, "slurmctld", *self.nodes]

    def write(self, folder: Folder) -> None:
        folder.marker.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, folder: Folder) -> Layout | None:
        """None where there is no cluster."""
        if not folder.marker.exists():
            return None
        kept = json.loads(folder.marker.read_text())
        settings, ports = Settings(**kept.pop("settings")), tuple(kept.pop("node_ports"))
        return cls(settings=settings, node_ports=ports, **kept)
