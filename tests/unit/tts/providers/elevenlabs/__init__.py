"""Unit tests of the ElevenLabs engine, against a fake server on the loopback."""
