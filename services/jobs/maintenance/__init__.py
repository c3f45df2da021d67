"""Scheduled maintenance: NATS schedules a sweep, and one free worker runs it. There is no leader process."""
