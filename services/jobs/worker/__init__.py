"""The process of a worker; any number of these may run."""
