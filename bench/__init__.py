"""Measures what the suite adds to a direct call of the provider: latency, CPU and memory."""
