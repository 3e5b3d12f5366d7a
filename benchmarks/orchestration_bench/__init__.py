"""The parts of the benchmark of tasks."""
