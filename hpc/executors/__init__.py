"""Ways to run tasks: on this machine, or not at all."""
