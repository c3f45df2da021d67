"""Tests of services.jobs and its workers with a real NATS server; the services that they call are fakes."""
