"""Describes the HTTP routes as an OpenAPI 3.1 document; `make openapi` writes it to openapi.json beside this file.

The gateway serves the committed openapi.json and imports nothing else from this package.
"""
