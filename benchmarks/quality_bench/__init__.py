"""The quality bench: networks and iterative engines on the same scans, judged alike."""
