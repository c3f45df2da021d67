"""Tests of services.common.care."""
