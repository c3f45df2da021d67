"""Tests of the embedded speech engine."""
