"""Tests of services.tts.care."""
