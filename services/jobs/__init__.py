"""Durable jobs: one write accepts a job, any worker runs it, and it ends once."""
