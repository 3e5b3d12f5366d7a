"""A throw-away SLURM cluster on one machine: real daemons, several nodes, no systemd."""
