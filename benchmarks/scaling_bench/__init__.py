"""The parts of the benchmark of growing work."""
