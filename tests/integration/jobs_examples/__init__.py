"""Tests of the programs in docs/jobs.md."""
