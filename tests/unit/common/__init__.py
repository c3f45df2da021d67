"""Tests of what every service shares."""
