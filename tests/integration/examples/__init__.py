"""Integration tests of the examples."""
