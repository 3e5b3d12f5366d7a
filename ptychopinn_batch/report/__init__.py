"""The report of a run: one HTML file made of what its results left beside them."""
