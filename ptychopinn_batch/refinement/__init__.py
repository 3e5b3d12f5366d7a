"""Refinement of what a scan says of itself: its probe, its modes, and where its frames lie."""
