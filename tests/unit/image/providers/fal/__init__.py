"""Tests of services.image.providers.fal."""
