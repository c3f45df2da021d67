"""Tests of the benchmark itself, without a load."""
