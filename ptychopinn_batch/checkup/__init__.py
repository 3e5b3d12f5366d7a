"""What `doctor` looks at: this machine, its SLURM, and a node of the cluster."""
