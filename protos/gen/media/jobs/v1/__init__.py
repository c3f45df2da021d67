"""Generated stubs of the media contracts."""
