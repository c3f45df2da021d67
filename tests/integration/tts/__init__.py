"""The TTS service over gRPC, in front of the ElevenLabs provider and a fake of its API."""
