"""Durable jobs: accepted by one write, worked on by any worker, ended once."""
