"""Tests of services.video."""
