"""Tests of what follows from the timing of characters."""
