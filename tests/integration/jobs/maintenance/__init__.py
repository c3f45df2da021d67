"""Tests of services.jobs.maintenance with a real NATS server."""
