"""Tests of the codec between JSON and messages."""
