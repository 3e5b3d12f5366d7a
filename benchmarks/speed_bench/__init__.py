"""The parts of the benchmarks of speed and memory."""
