"""Tests of services/common/records."""
