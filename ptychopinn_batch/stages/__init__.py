"""Entry points that run inside tasks, one module per stage."""
