"""Tests of services/jobs/worker."""
