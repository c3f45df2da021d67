"""Tests of services.image.rendition."""
