"""The video service: generates videos from images, adds speech to videos, and probes media files."""
