"""Tests of services.common.providers."""
