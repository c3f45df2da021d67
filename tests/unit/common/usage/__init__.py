"""Tests of services.common.usage."""
