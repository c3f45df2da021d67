"""Tests of services.common.images."""
