"""Tests of the gateway over real sockets, in front of real services with scripted providers."""
