"""The video service: stills that move, speech laid over videos, and what media files are made of."""
