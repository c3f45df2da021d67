"""HTTP in front of the services: JSON and audio for whoever does not speak gRPC."""
