"""Scans as they come in, and the memory-mapped store that they are kept in."""
