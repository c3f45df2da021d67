"""The video service: stills that move, speech laid over films, and what media files are made of."""
