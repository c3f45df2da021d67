"""Tests of the benchmark's own arithmetic; what it measures is no test."""
