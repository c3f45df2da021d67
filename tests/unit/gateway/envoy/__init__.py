"""Tests of the edge's configuration."""
