"""Readers of scans: one small module for each format, behind one registry."""
