"""Tests of services.common.storage."""
