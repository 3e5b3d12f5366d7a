"""Settings of the reconstructor: the section [PtychoPINNBatch] of Ptychodus' settings files."""

from __future__ import annotations

from dataclasses import dataclass

from ptychodus.api.parameters import IntegerParameter, StringParameter
from ptychodus.api.settings import SettingsRegistry

GROUP = "PtychoPINNBatch"


@dataclass(frozen=True)
class ClientSettings:
    """Parameters that Ptychodus reads, shows and writes.

    command: how to call ptychopinn-batch, as in a shell; empty: found, see `command.find_command`.
    runs_folder: where runs and their stores lie, on a cluster a shared folder; empty: a temporary
        one that goes when the work is done.
    executor, profile: as the options of `submit`; empty: not given.
    steps: of the network when it reconstructs. epochs: of a training.
    overrides: any other key of a job spec, as KEY=VALUE words.
    """

    command: StringParameter
    runs_folder: StringParameter
    executor: StringParameter
    profile: StringParameter
    steps: IntegerParameter
    epochs: IntegerParameter
    overrides: StringParameter

    @classmethod
    def registered(cls, registry: SettingsRegistry) -> ClientSettings:
        """The section in a registry; a registry has it once."""
        group = registry.create_group(GROUP)
        return cls(
            command=group.create_string_parameter("command", ""),
            runs_folder=group.create_string_parameter("runs_folder", ""),
            executor=group.create_string_parameter("executor", ""),
            profile=group.create_string_parameter("profile", ""),
            steps=group.create_integer_parameter("steps", 16, minimum=1, maximum=1000),
            epochs=group.create_integer_parameter("epochs", 10, minimum=1),
            overrides=group.create_string_parameter("overrides", ""),
        )
