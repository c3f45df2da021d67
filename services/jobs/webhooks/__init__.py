"""Webhooks: notify the servers of callers that a job has ended."""
