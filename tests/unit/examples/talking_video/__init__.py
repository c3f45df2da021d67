"""Unit tests of the talking video example."""
