"""The image service: generates and transforms images in exact sizes and formats, and stores them."""
