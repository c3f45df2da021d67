"""Tests of services/common/text."""
