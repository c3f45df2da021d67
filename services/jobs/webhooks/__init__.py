"""Tells callers' own servers that a job has ended."""
