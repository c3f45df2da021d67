"""Tests of services.image."""
