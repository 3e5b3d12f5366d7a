"""Refinement of what a scan says of itself: its probe, its modes, and where its frames lie."""

SAMPLE = 2**25  # pixels of all frames and modes that the probe is found on: 270 MB of waves
