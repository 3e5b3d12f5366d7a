"""Random scans with known truth: objects, probes, scan patterns, doses."""
