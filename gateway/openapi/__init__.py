"""Builds the OpenAPI 3.1 document of the HTTP routes; `make openapi` writes it to openapi.json in this folder.

The gateway serves the committed openapi.json; it imports no module of this package.
"""
