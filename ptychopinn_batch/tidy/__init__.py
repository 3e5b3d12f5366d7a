"""Freeing the disk of what can be made again; products, packages and records are never touched."""
