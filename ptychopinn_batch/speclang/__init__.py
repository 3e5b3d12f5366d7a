"""The job spec as a user's file: YAML with line numbers, overrides, errors that say the mend.

`file` loads one and `variants` expands its sweep; `template` and `reference` write what users start
from. `jobspec` holds the models.
"""
