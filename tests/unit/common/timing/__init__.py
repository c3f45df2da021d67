"""Tests of the timing of spoken text."""
