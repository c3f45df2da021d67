"""Tests of services.jobs.webhooks."""
