"""Scheduled maintenance: NATS schedules a sweep, one free worker runs it. There is no leader."""
