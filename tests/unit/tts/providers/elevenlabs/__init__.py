"""Unit tests of the ElevenLabs provider, with a fake of its API on loopback."""
