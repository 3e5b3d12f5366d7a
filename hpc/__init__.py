"""Batch execution of tasks: specs of work, plans, ledgers, executors. Knows nothing of ptychography."""
