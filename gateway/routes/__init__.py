"""The paths that the gateway answers."""
