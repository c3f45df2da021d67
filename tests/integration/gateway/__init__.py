"""The gateway over real sockets, in front of a real TTS server whose engine follows a script."""
