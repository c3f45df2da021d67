"""Tests of deploy.nats."""
