"""Tests of the whole image service over gRPC; only the providers and foreign servers are fakes."""
