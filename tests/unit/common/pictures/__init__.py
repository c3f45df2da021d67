"""Tests of services.common.pictures."""
