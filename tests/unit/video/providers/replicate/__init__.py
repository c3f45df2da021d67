"""Tests of services.video.providers.replicate."""
