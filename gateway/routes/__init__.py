"""The HTTP routes of the gateway, one module per topic."""
