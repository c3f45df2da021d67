"""Tests of services.video as a process runs it."""
