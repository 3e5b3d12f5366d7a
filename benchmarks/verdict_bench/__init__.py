"""The bench of the verdict: sound and faulty scans, what is said of them, and what is missed."""
