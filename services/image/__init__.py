"""The image service: images from words and from images, in exact sizes and formats, kept in the object store."""
