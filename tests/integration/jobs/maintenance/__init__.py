"""Upkeep over a real server of jobs."""
