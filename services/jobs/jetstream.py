"""The NATS connection, streams and buckets that store jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import nats.errors
import orjson
from nats.aio.client import DEFAULT_PENDING_SIZE, Client
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, BadRequestError, ServiceUnavailableError
from nats.js.kv import KeyValue
from yarl import URL

from services.common.cancellation import raise_if_cancelled
from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.settings import ConfigurationError
from services.jobs.nats_credentials import build_credential_callbacks

log = logger(__name__)

QUEUE = "JOBS"
"""The work queue: one message per unfinished job."""
RUN = "jobs.run"
"""Subjects of the queue: jobs.run.<kind>.<owner>."""
UPDATES = "jobs.told"
"""Subjects to which the server republishes records and cancellations: jobs.told.<bucket>.<key>."""
KINDS = ("animate", "talking_video", "headline", "story", "webhook")
"""Kinds of jobs that workers run."""
MAINTENANCE = "JOBS_UPKEEP"
"""The stream of schedules, and of the messages that they produce."""
SCHEDULED, DUE = "jobs.upkeep.when", "jobs.upkeep.due"
"""Its subjects: the server publishes to the second one as scheduled in the first one."""
STATE, CANCELS, REQUESTS, SECRETS = "job-state", "job-cancel", "job-request", "job-secret"
"""Buckets: records, cancellations, request ids, signing secrets."""
QUOTA_ERROR = 10077
"""Error code of the server for a subject that is full: the owner has reached the quota of the kind."""
_DUPLICATES_SECONDS = 600
_OLDEST_SERVER = (2, 14)
"""First version that repeats scheduled messages."""
_MARGIN_SECONDS = 7 * 86_400.0
"""Time after `retention_seconds` at which the server deletes records that no sweep has deleted."""
_TIMEOUT_SECONDS = 3.0
_RECONNECT_SECONDS = 0.3
RETRY_SECONDS = 2.0
"""Retry-After of errors of the job store."""
_LOG_INTERVAL_SECONDS = 5.0
"""Shortest time between two log lines about the connection."""


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """Options of the connection and of the streams."""

    servers: tuple[str, ...]
    """Addresses of the servers."""
    credentials: str = ""
    """File with the credentials; empty without credentials."""
    replicas: int = 1
    """Replicas of all data: 1, or 3 in a cluster."""
    quota: int = 50
    """Maximum number of unfinished jobs of one kind per owner."""
    retention_seconds: float = 30 * 86_400
    """Time that a job is stored after its last change."""


@dataclass(frozen=True, slots=True)
class Streams:
    """An open connection with its buckets; `open_streams` closes it."""

    client: Client
    jetstream: JetStreamContext
    state: KeyValue
    cancels: KeyValue
    requests: KeyValue
    secrets: KeyValue


@asynccontextmanager
async def open_streams(options: StreamOptions, name: str, *, buffer_writes: bool = True) -> AsyncIterator[Streams]:
    """Connect, create missing streams and buckets, and yield them. The connection restores itself.

    Args:
        options: Servers and options of the streams.
        name: Name of this client on the server.
        buffer_writes: Whether writes during an outage are sent afterwards: right for results that were paid for,
            wrong for requests that the caller repeats after an error.

    Raises:
        ConfigurationError: The server is too old, or refuses the options of the streams.
    """
    async with connect_nats(options, name, buffer_writes=buffer_writes) as client:
        yield await _wait_for_streams(client, options)


@asynccontextmanager
async def connect_nats(
    options: StreamOptions, name: str, *, reconnect: bool = True, buffer_writes: bool = True
) -> AsyncIterator[Client]:
    """Connect and yield the connection, without streams.

    Args:
        options: Servers and credentials.
        name: Name of this client on the server.
        reconnect: Whether to wait for an unavailable server, now and later.
        buffer_writes: Whether writes during an outage are sent afterwards.

    Raises:
        ConfigurationError: The server is too old; without `reconnect` also: it does not answer or refuses the client.
    """
    servers = _format_servers(options)
    credentials: Mapping[str, Any] = {}
    if options.credentials:
        credentials = await asyncio.to_thread(build_credential_callbacks, Path(options.credentials))
    client = Client()
    try:
        try:
            await client.connect(
                servers=list(options.servers),
                name=name,
                allow_reconnect=reconnect,
                # The library reads 0 as unlimited.
                max_reconnect_attempts=-1 if reconnect else 1,
                reconnect_time_wait=_RECONNECT_SECONDS,  # type: ignore[arg-type]  # sleeps for it, so fractions work
                pending_size=DEFAULT_PENDING_SIZE if buffer_writes else 0,
                error_cb=_make_error_logger(servers),
                **credentials,
            )
        except (nats.errors.Error, OSError, TimeoutError, ValueError):
            raise ConfigurationError(
                f"NATS_URL must name a server that accepts this client; {servers} does not answer"
            ) from None
        _require_version(client)
        yield client
    finally:
        await client.close()


def _require_version(client: Client) -> None:
    version = client.connected_server_version
    if (version.major, version.minor) < _OLDEST_SERVER:
        oldest = ".".join(map(str, _OLDEST_SERVER))
        raise ConfigurationError(f"NATS_URL must name a server of version {oldest} or later; this one is {version}")


async def _wait_for_streams(client: Client, options: StreamOptions) -> Streams:
    """Create the streams as soon as the server can: the servers of a new cluster first elect a leader."""
    log_error = _make_error_logger(_format_servers(options))
    while True:
        try:
            return await _create_streams(client, options)
        except (nats.errors.TimeoutError, nats.errors.NoRespondersError, ServiceUnavailableError) as error:
            await log_error(error)
            raise_if_cancelled()
            await asyncio.sleep(_RECONNECT_SECONDS)
        except APIError as error:
            what = "must fit the number of NATS servers and the limits of the account"
            raise ConfigurationError(f"JOBS_REPLICAS {what}; NATS refuses the streams ({error.err_code})") from None


async def _create_streams(client: Client, options: StreamOptions) -> Streams:
    jetstream = client.jetstream(timeout=_TIMEOUT_SECONDS)
    await _create_or_update_stream(
        jetstream,
        api.StreamConfig(
            name=QUEUE,
            subjects=[f"{RUN}.*.*"],
            retention=api.RetentionPolicy.WORK_QUEUE,
            # The server enforces the quota: a client that counts first would race with other clients.
            discard=api.DiscardPolicy.NEW,
            discard_new_per_subject=True,
            max_msgs_per_subject=options.quota,
            duplicate_window=_DUPLICATES_SECONDS,
            num_replicas=options.replicas,
        ),
    )

    await _create_or_update_stream(
        jetstream,
        api.StreamConfig(
            name=MAINTENANCE,
            subjects=[f"{SCHEDULED}.*", f"{DUE}.*"],
            # A sweep that is due twice runs once.
            max_msgs_per_subject=1,
            allow_msg_schedules=True,
            num_replicas=options.replicas,
        ),
    )

    async def create_bucket(name: str, *, republished: bool = False, permanent: bool = False) -> KeyValue:
        republish = api.RePublish(f"$KV.{name}.>", f"{UPDATES}.{name}.>") if republished else None
        # No direct reads: a client must read its own writes, regardless of the replica.
        age_seconds = None if permanent else options.retention_seconds + _MARGIN_SECONDS
        try:
            return await jetstream.create_key_value(
                bucket=name, ttl=age_seconds, replicas=options.replicas, direct=False, republish=republish
            )
        except BadRequestError:
            # The bucket exists with other settings: apply the ones that may change; the last process to start decides.
            found = (await jetstream.stream_info(f"KV_{name}")).config
            await jetstream.update_stream(found.evolve(max_age=age_seconds or 0, num_replicas=options.replicas))
            return await jetstream.key_value(name)

    return Streams(
        client,
        jetstream,
        state=await create_bucket(STATE, republished=True),
        cancels=await create_bucket(CANCELS, republished=True),
        requests=await create_bucket(REQUESTS),
        secrets=await create_bucket(SECRETS, permanent=True),
    )


async def open_pull_subscription(
    jetstream: JetStreamContext, stream: str, config: api.ConsumerConfig
) -> JetStreamContext.PullSubscription:
    """Subscribe to a durable consumer; all subscribers of the same consumer share its messages.

    Args:
        jetstream: Connection.
        stream: Name of the stream.
        config: Configuration of the consumer; it replaces the one of the other subscribers.
    """
    # pull_subscribe of the library would keep the configuration of the first subscriber for ever.
    await jetstream.add_consumer(stream, config)
    return await jetstream.pull_subscribe_bind(config.durable_name, stream)


async def list_subjects(client: Client, stream: str, pattern: str) -> list[str]:
    """Return all subjects of a stream that have messages; the server returns up to 100,000 per request.

    Args:
        client: Connection.
        stream: Name of the stream.
        pattern: Subjects to list, with wildcards.

    Raises:
        nats.errors.Error: The server does not answer, or refuses.
    """
    found: list[str] = []
    while True:
        query = orjson.dumps({"subjects_filter": pattern, "offset": len(found)})
        message = await client.request(f"$JS.API.STREAM.INFO.{stream}", query, timeout=_TIMEOUT_SECONDS)
        reply = orjson.loads(message.data)
        if "error" in reply:
            raise APIError.from_error(reply["error"])
        some = reply["state"].get("subjects") or {}
        found += some
        if not some or len(found) >= reply.get("total", 0):
            return found


@contextmanager
def translate_nats_errors() -> Iterator[None]:
    """Translate errors of NATS to an error that callers may retry.

    Raises:
        MediaError: UNAVAILABLE, with a Retry-After.
    """
    try:
        yield
    except (nats.errors.Error, TimeoutError):
        raise MediaError(
            Reason.UNAVAILABLE, "The job store does not answer; retry.", retry_after_seconds=RETRY_SECONDS
        ) from None


async def _create_or_update_stream(jetstream: JetStreamContext, config: api.StreamConfig) -> None:
    """Create a stream, or update one that exists with other settings, such as another quota."""
    try:
        await jetstream.add_stream(config)
    except BadRequestError:
        await jetstream.update_stream(config)


def _format_servers(options: StreamOptions) -> str:
    """Return the addresses of the servers without user names and passwords."""
    return ", ".join(URL(server).authority.rpartition("@")[2] for server in options.servers)


def _make_error_logger(servers: str) -> Callable[[Exception], Awaitable[None]]:
    """Return a callback that logs connection errors, without their texts, which may hold credentials."""
    last = -_LOG_INTERVAL_SECONDS

    async def log_error(error: Exception) -> None:
        nonlocal last
        if time.monotonic() - last >= _LOG_INTERVAL_SECONDS:
            last = time.monotonic()
            log.warning("NATS does not answer; retrying", servers=servers, error_type=type(error).__name__)

    return log_error
