"""The server that keeps jobs on one machine."""
