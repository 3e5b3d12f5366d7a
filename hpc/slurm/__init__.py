"""Running tasks on SLURM: arrays, what became of them, and the facts of a cluster."""
