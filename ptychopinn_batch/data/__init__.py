"""Measured and simulated scans: readers, and the memory-mapped scan store."""
