"""Tests of services.image.providers.gemini."""
