"""Batch execution of tasks: plans, ledgers, workers, executors. Knows nothing of ptychography."""
