"""The profile of a cluster as a user's file: found, read, written and documented."""
