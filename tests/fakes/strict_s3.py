"""An S3 server (moto) that refuses what the real one refuses; run as `python -m tests.fakes.strict_s3 PORT`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

MAX_KEY_BYTES = 1024
MAX_METADATA_BYTES = 2048
UNKNOWN_KMS_KEY = "unknown-key"
"""Id of a key that the key service does not know."""
_SSE = "x-amz-server-side-encryption"
_CUSTOMER = f"{_SSE}-customer"
_KINDS = {"AES256", "aws:kms", "aws:kms:dsse"}
_SIGNED_HEADERS = re.compile(r"SignedHeaders=([a-z0-9;-]+)")

Environ = dict[str, Any]
Refusal = tuple[str, str]
"""Status line and code."""


class StrictS3:
    """WSGI middleware with the rules that moto leaves out: signed headers, sizes, ACLs and encryption."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._customer_keys: dict[str, str] = {}
        """Digest of the customer key of each object, by path; empty for an object without one."""

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Refuse a request, or pass it on."""
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        path, method = str(environ["PATH_INFO"]), str(environ["REQUEST_METHOD"])
        query = parse_qs(str(environ.get("QUERY_STRING", "")), keep_blank_values=True)
        refusal = (
            _check_signed_headers(headers, query)
            or _check_sizes(path, headers)
            or _check_encryption(headers)
            or self._check_customer_key(method, path, query, headers)
        )
        if refusal is not None:
            status, code = refusal
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            body = b"" if method == "HEAD" else f"<Error><Code>{code}</Code><Message>No.</Message></Error>".encode()
            start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]
        return self._app(environ, start_response)

    def _check_customer_key(
        self, method: str, path: str, query: Mapping[str, list[str]], headers: Mapping[str, str]
    ) -> Refusal | None:
        digest = headers.get(f"{_CUSTOMER}-key-md5", "")
        if (method == "PUT" and "partNumber" not in query) or (method == "POST" and "uploads" in query):
            self._customer_keys[path] = digest
            return None
        if method == "DELETE":
            self._customer_keys.pop(path, None)
        if method not in ("GET", "HEAD", "PUT") or path not in self._customer_keys:
            return None
        expected = self._customer_keys[path]
        if bool(expected) != bool(digest):
            return "400 Bad Request", "InvalidRequest"
        return None if expected == digest else ("403 Forbidden", "AccessDenied")


def _check_signed_headers(headers: Mapping[str, str], query: Mapping[str, list[str]]) -> Refusal | None:
    """Refuse x-amz-* headers that the signature does not cover."""
    found = _SIGNED_HEADERS.search(headers.get("authorization", ""))
    signed = found[1] if found else query.get("X-Amz-SignedHeaders", [""])[0]
    if not signed:
        return None
    # WSGI does not tell underscores from hyphens.
    unsigned = {name for name in headers if name.startswith("x-amz-")} - set(signed.replace("_", "-").split(";"))
    return ("403 Forbidden", "AccessDenied") if unsigned else None


def _check_sizes(path: str, headers: Mapping[str, str]) -> Refusal | None:
    key = path.strip("/").partition("/")[2]
    if len(key.encode()) > MAX_KEY_BYTES:
        return "400 Bad Request", "KeyTooLongError"
    prefix = "x-amz-meta-"
    metadata = {name.removeprefix(prefix): value for name, value in headers.items() if name.startswith(prefix)}
    if sum(len(name) + len(value) for name, value in metadata.items()) > MAX_METADATA_BYTES:
        return "400 Bad Request", "MetadataTooLarge"
    # Buckets have had no ACLs by default since 2023.
    return ("400 Bad Request", "AccessControlListNotSupported") if "x-amz-acl" in headers else None


def _check_encryption(headers: Mapping[str, str]) -> Refusal | None:
    kind, kms_key = headers.get(_SSE, ""), headers.get(f"{_SSE}-aws-kms-key-id", "")
    customer_key = headers.get(f"{_CUSTOMER}-key", "")
    if kind and kind not in _KINDS:
        return "400 Bad Request", "InvalidEncryptionAlgorithmError"
    if (kms_key and not kind.startswith("aws:kms")) or (kind and customer_key):
        return "400 Bad Request", "InvalidArgument"
    if kms_key == UNKNOWN_KMS_KEY:
        return "400 Bad Request", "KMS.NotFoundException"
    return None if not customer_key or _is_valid(customer_key, headers) else ("400 Bad Request", "InvalidArgument")


def _is_valid(customer_key: str, headers: Mapping[str, str]) -> bool:
    try:
        key = base64.b64decode(customer_key, validate=True)
    except binascii.Error:
        return False
    digest = base64.b64encode(hashlib.md5(key, usedforsecurity=False).digest()).decode()
    algorithm = headers.get(f"{_CUSTOMER}-algorithm")
    return (len(key), algorithm, digest) == (32, "AES256", headers.get(f"{_CUSTOMER}-key-md5"))


if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), StrictS3(DomainDispatcherApplication(create_backend_app)), threaded=True)
