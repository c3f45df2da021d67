"""Unit tests of the speech engines."""
