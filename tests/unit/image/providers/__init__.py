"""Tests of services.image.providers."""
