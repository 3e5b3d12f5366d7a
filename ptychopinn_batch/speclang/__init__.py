"""Reading the job spec language: YAML with line numbers, overrides, errors that say the mend."""
