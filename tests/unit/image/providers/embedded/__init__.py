"""Tests of services.image.providers.embedded."""
