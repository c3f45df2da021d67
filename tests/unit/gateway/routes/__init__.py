"""Tests of single routes."""
