"""Tests of the routes, each alone."""
