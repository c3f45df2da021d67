"""Tests of services.common.fetch."""
