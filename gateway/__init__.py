"""HTTP in front of the services: JSON and audio for clients without gRPC."""
