"""Ways to run tasks: on this machine, on a cluster, or not at all."""
