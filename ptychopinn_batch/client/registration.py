"""Brings the reconstructor into Ptychodus, which has no slot for those of others.

Three ways, for the versions of Ptychodus that they were tested with:

- `add_to(core)`: into a `ModelCore` of one's own script;
- a plug-in file, written by `python -m ptychopinn_batch.client register`: into the application and
  `ptychodus -b`, by way of `register_plugins`;
- `python -m ptychopinn_batch.client shim`: a package of the name that Ptychodus' own PtychoPINN
  library looks for. Nothing in Ptychodus is touched.
"""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TESTED = ("1.7.0",)
PLUGIN = "ptychopinn_batch_reconstructor.py"
TEXT = '''"""Written by `python -m ptychopinn_batch.client register`; `unregister` removes it."""

try:
    from ptychopinn_batch.client.registration import register_plugins
except ImportError as error:  # any other would end Ptychodus
    raise ModuleNotFoundError(f"ptychopinn-batch is not installed any more: {error}") from error
'''
_log = logging.getLogger(__name__)


def check_version() -> None:
    """RuntimeError for a version of Ptychodus whose insides may be others."""
    found = version("ptychodus")
    if found not in TESTED:
        raise RuntimeError(
            f"This is Ptychodus {found}; the reconstructor of ptychopinn-batch was tested with "
            f"{', '.join(TESTED)}. Install that: pip install ptychodus=={TESTED[-1]}"
        )


def add_to(core: Any) -> str:
    """Add the reconstructor to a ModelCore; the word for `algorithm=`."""
    from ptychopinn_batch.client.reconstructor import BatchLibrary

    check_version()
    processing, tasks = core.processing_core, core._task_manager
    monitor = processing.processing_api.task_monitor
    library = BatchLibrary(core.settings_registry, lambda: tasks.is_stopping or monitor.is_stopping)
    parameter = processing.algorithm_parameter
    keys = {parameter.generate_key(library.name, one.name): one for one in library}
    parameter._reconstructor_map.update(keys)
    library.get_logger().addHandler(monitor.get_log_handler())
    return next(iter(keys))


def register_plugins(registry: Any) -> None:
    """What Ptychodus calls when it loads plug-ins, which is before it makes its libraries."""
    try:
        check_version()
    except RuntimeError as error:
        _log.error("%s", error)
        return
    core = sys.modules.get("ptychodus.model.core")
    if core is not None:  # a program without a model has no reconstructors
        _extend(core)


def _extend(core: Any) -> None:
    """Have every ModelCore from now on make one more library."""
    from ptychopinn_batch.client.reconstructor import BatchLibrary

    if getattr(core.ProcessingCore, "has_ptychopinn_batch", False):
        return

    class ProcessingCore(core.ProcessingCore):  # type: ignore[misc]
        has_ptychopinn_batch = True

        def __init__(self, tasks: Any, registry: Any, products: Any, libraries: Any) -> None:
            ours = BatchLibrary(
                registry, lambda: tasks.is_stopping or self.processing_api.task_monitor.is_stopping
            )
            super().__init__(tasks, registry, products, [*libraries, ours])

    core.ProcessingCore = ProcessingCore


def plugin_path() -> Path:
    """Where the plug-in goes: among those of the Ptychodus in this environment."""
    found = find_spec("ptychodus")
    if found is None or found.origin is None:
        raise RuntimeError(
            "There is no Ptychodus in this environment: pip install ptychodus==1.7.0"
        )
    return Path(found.origin).parent / "plugins" / PLUGIN


def register() -> Path:
    """Write the plug-in."""
    path = plugin_path()
    check_version()
    path.write_text(TEXT)
    return path


def unregister() -> Path:
    """Remove the plug-in, if it is there."""
    path = plugin_path()
    path.unlink(missing_ok=True)
    return path
