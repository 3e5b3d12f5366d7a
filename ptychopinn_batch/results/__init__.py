"""Results of runs: the names of their files, how far each has come, two of them side by side."""
