"""Tests of services.video.providers."""
