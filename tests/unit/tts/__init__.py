"""Tests of the text-to-speech service."""
