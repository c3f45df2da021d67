"""The text-to-speech service."""
