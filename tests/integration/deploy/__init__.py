"""Tests of the local supervisor with real child processes."""
