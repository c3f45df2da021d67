"""Tests of the joiners of audio."""
