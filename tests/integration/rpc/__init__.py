"""Tests of calls between processes."""
