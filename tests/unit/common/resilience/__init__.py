"""Tests of services.common.resilience."""
