"""Checks and reports over the source tree: for developers and for `make check`."""
