"""Check whether a process serves, for health checks in containers: `python -m services.common.healthcheck --help`."""

from __future__ import annotations

import argparse
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import cast
from urllib.parse import SplitResult, urlsplit

import grpc
from grpc_health.v1 import health_pb2

_DEFAULT_SECONDS = 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if the process serves, else 1 with the reason on standard error."""
    options = _build_parser().parse_args(arguments)
    problem = _PROBES[options.address.scheme](options.address, options.seconds)
    if problem:
        sys.stderr.write(f"{options.address.geturl()}: {problem}\n")
    return 1 if problem else 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.common.healthcheck", description=__doc__)
    parser.add_argument(
        "address",
        type=_parse_address,
        help="grpc://HOST:PORT/SERVICE asks gRPC health for SERVICE; http://HOST:PORT/PATH asks for status 200",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=_DEFAULT_SECONDS,
        help=f"how long the answer may take (default: {_DEFAULT_SECONDS:g})",
    )
    return parser


def _parse_address(text: str) -> SplitResult:
    parts = urlsplit(text)
    if parts.scheme not in _PROBES or not parts.hostname or not parts.port:
        raise argparse.ArgumentTypeError("must be grpc://HOST:PORT/SERVICE or http://HOST:PORT/PATH")
    return parts


def _check_grpc(address: SplitResult, seconds: float) -> str:
    request = health_pb2.HealthCheckRequest(service=address.path.removeprefix("/"))
    # The proxy variables are for outgoing calls, not for a process on this host.
    with grpc.insecure_channel(address.netloc, options=[("grpc.enable_http_proxy", 0)]) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            status = check(request, timeout=seconds).status
        except grpc.RpcError as error:
            return str(cast("grpc.Call", error).code().name)  # the stubs do not say that an error is its call
    return "" if status == health_pb2.HealthCheckResponse.SERVING else f"health status {status}"


def _check_http(address: SplitResult, seconds: float) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address.geturl(), timeout=seconds):
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return f"status {error.status}"
    except OSError as error:
        return type(error).__name__


_PROBES: dict[str, Callable[[SplitResult, float], str]] = {"grpc": _check_grpc, "http": _check_http}


if __name__ == "__main__":
    sys.exit(main())
