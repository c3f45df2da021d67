"""Tests of the running edge."""
