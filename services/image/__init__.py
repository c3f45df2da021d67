"""The image service: pictures from words and from pictures, in exact sizes and formats, kept in the object store."""
