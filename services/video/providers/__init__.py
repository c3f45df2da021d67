"""Providers of generated videos."""
