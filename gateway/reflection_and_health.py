"""Answers gRPC reflection and health for all services, so that one port shows the whole suite."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

from gateway.readiness import ServiceCheck
from gateway.suite_state import PartState
from services.common.errors import MediaError, Reason
from services.common.rpc.metadata import REQUEST_ID, choose_request_id, find_metadata
from services.common.rpc.status import to_status

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN

_WATCH_SECONDS = 1.0
_REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"

Context = grpc.aio.ServicerContext[Any, Any]
ServingStatus = int  # the type of the enum exists for type checkers only


class AggregateHealth(HealthServicer):
    """Reports the health of each service by its name, and of all services together by the empty name."""

    def __init__(self, channels: Mapping[str, grpc.aio.Channel]) -> None:
        super().__init__()
        self._own_names: set[str] = set()
        self._checks = {name: ServiceCheck(channel, name) for name, channel in channels.items()}

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> health_pb2.HealthCheckResponse:
        """Answer with the current status, which the service itself reports."""
        if request.service in self._checks:
            return health_pb2.HealthCheckResponse(status=await self._check_service(request.service))
        if not request.service:
            return health_pb2.HealthCheckResponse(status=await self._check_all())
        if request.service not in self._own_names:
            error = MediaError(Reason.NOT_FOUND, "The suite has no service of this name; gRPC reflection lists them.")
            await context.abort_with_status(to_status(error, choose_request_id(find_metadata(context, REQUEST_ID))))
        return await super().Check(request, context)

    async def set(self, service: str, status: ServingStatus) -> None:
        """Set the status of a name that this server reports itself."""
        self._own_names.add(service)
        await super().set(service, status)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        """Send the status at once and at each change, until the caller cancels."""
        exists = not request.service or request.service in self._checks
        last_status: int | None = None
        while True:
            status = await self._get_status(request.service) if exists else UNKNOWN
            if status != last_status:
                await context.write(health_pb2.HealthCheckResponse(status=status))
                last_status = status
            await asyncio.sleep(_WATCH_SECONDS)

    async def _get_status(self, service: str) -> ServingStatus:
        return await (self._check_service(service) if service else self._check_all())

    async def _check_service(self, service: str) -> ServingStatus:
        state = await self._checks[service].read_state()
        return SERVING if state is PartState.SERVING else NOT_SERVING

    async def _check_all(self) -> ServingStatus:
        statuses = await asyncio.gather(*(self._check_service(service) for service in self._checks))
        return SERVING if all(status == SERVING for status in statuses) else NOT_SERVING


class _SymbolPool:
    """The default pool of descriptors, which also finds the files of methods, fields and oneofs."""

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:
        """Return the file that declares `symbol`.

        Raises:
            KeyError: There is no such symbol.
        """
        find_file = self._pool.FindFileContainingSymbol
        for find in (self._pool.FindMethodByName, self._pool.FindFieldByName, self._pool.FindOneofByName):
            with suppress(KeyError):
                find(symbol)
                return find_file(symbol.rpartition(".")[0])
        return find_file(symbol)


def add_reflection(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Add reflection of `services` to `server`, in the versions v1alpha and v1 of the protocol.

    The library has only v1alpha; v1 differs in name only.
    """
    names = (*services, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
    pool = cast("descriptor_pool.DescriptorPool", _SymbolPool())
    servicer = ReflectionServicer(service_names=names, pool=pool)
    reflection.enable_server_reflection(names, server, pool)
    info = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_REFLECTION_V1, {"ServerReflectionInfo": info}),)
    )
