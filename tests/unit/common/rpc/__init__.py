"""Tests of services/common/rpc."""
