"""The streams and buckets that jobs live in, and the connection to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

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

log = logger(__name__)

QUEUE = "JOBS"
"""The work queue: one message per unfinished job."""
RUN = "jobs.run"
"""Subjects of the queue: jobs.run.<kind>.<owner>."""
UPDATES = "jobs.told"
"""Subjects under which the server repeats changes of records and wishes to end: jobs.told.<bucket>.<key>."""
KINDS = ("animate", "talking_video", "headline", "story", "webhook")
"""What workers do."""
MAINTENANCE = "JOBS_UPKEEP"
"""The stream of what is done at times: schedules, and what they have made due."""
SCHEDULED, DUE = "jobs.upkeep.when", "jobs.upkeep.due"
"""Subjects of it: the server writes to the second at the times that the first says."""
STATE, CANCELS, REQUESTS, SECRETS = "job-state", "job-cancel", "job-request", "job-secret"
"""Buckets: records, wishes to end, names of requests, secrets of webhooks."""
QUOTA_ERROR = 10077
"""What the server answers where an owner has as many unfinished jobs of a kind as he may have."""
_DUPLICATES_SECONDS = 600
_OLDEST_SERVER = (2, 14)
"""The first that can repeat a scheduled message."""
_MARGIN_SECONDS = 7 * 86_400.0
"""How much longer than `retention_seconds` the server itself keeps what nobody has removed."""
_TIMEOUT_SECONDS = 3.0
_RECONNECT_SECONDS = 0.3
RETRY_SECONDS = 2.0
"""When a caller may ask again."""
_CREDENTIALS_MARKERS = ("BEGIN NATS USER JWT", "BEGIN USER NKEY SEED")
_LOG_INTERVAL_SECONDS = 5.0
"""Trouble with the connection is logged no more often."""


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How the streams are made."""

    servers: tuple[str, ...]
    """Addresses of the servers."""
    credentials: str = ""
    """File with credentials; empty for none."""
    replicas: int = 1
    """Copies of everything: 1, or 3 in a cluster."""
    quota: int = 50
    """Most unfinished jobs of one kind of one owner."""
    retention_seconds: float = 30 * 86_400
    """How long a job is known after its last change."""


@dataclass(frozen=True, slots=True)
class Streams:
    """An open connection, and what is in it."""

    client: Client
    jetstream: JetStreamContext
    state: KeyValue
    cancels: KeyValue
    requests: KeyValue
    secrets: KeyValue


@asynccontextmanager
async def open_streams(options: StreamOptions, name: str, *, buffer_writes: bool = True) -> AsyncIterator[Streams]:
    """Yield the connection; it comes back by itself whenever the server does.

    Args:
        options: Where and how.
        name: What the server calls us.
        buffer_writes: Whether what is written while the server is away is sent when it is back: right for results that
            were paid for, and wrong for what a caller is told to ask for again.

    Raises:
        ConfigurationError: The server is too old, or does not make the streams as they are wanted.
    """
    async with connect_nats(options, name, buffer_writes=buffer_writes) as client:
        yield await _wait_for_streams(client, options)


@asynccontextmanager
async def connect_nats(
    options: StreamOptions, name: str, *, reconnect: bool = True, buffer_writes: bool = True
) -> AsyncIterator[Client]:
    """Yield the bare connection.

    Args:
        options: Where and how.
        name: What the server calls us.
        reconnect: Whether a server that is away is waited for, now and later.
        buffer_writes: Whether what is written meanwhile is sent then.

    Raises:
        ConfigurationError: The server is too old; or, of an impatient one, is not there or does not let us in.
    """
    servers = _format_servers(options)
    if options.credentials:
        await asyncio.to_thread(_check_credentials, Path(options.credentials))
    try:
        client = await nats.connect(
            servers=list(options.servers),
            name=name,
            user_credentials=options.credentials or None,
            allow_reconnect=reconnect,
            # The library takes 0 for no bound.
            max_reconnect_attempts=-1 if reconnect else 1,
            reconnect_time_wait=_RECONNECT_SECONDS,
            pending_size=DEFAULT_PENDING_SIZE if buffer_writes else 0,
            error_cb=_make_error_logger(servers),
        )
    except (nats.errors.Error, OSError, TimeoutError, ValueError):
        raise ConfigurationError(f"NATS_URL must lead to a server that lets us in; {servers} does not answer") from None
    try:
        version = client.connected_server_version
        if (version.major, version.minor) < _OLDEST_SERVER:
            oldest = ".".join(map(str, _OLDEST_SERVER))
            raise ConfigurationError(f"NATS_URL must lead to a server of version {oldest} or later; this is {version}")
        yield client
    finally:
        await client.close()


async def _wait_for_streams(client: Client, options: StreamOptions) -> Streams:
    """Make the streams as soon as a server can: the servers of a cluster first have to find each other."""
    log_error = _make_error_logger(_format_servers(options))
    while True:
        try:
            return await _create_streams(client, options)
        except (nats.errors.TimeoutError, nats.errors.NoRespondersError, ServiceUnavailableError) as error:
            await log_error(error)
            raise_if_cancelled()
            await asyncio.sleep(_RECONNECT_SECONDS)
        except APIError as error:
            what = "must fit the servers of NATS and the limits of the account"
            raise ConfigurationError(f"JOBS_REPLICAS {what}; NATS refuses the streams ({error.err_code})") from None


async def _create_streams(client: Client, options: StreamOptions) -> Streams:
    jetstream = client.jetstream(timeout=_TIMEOUT_SECONDS)
    await _create_or_update_stream(
        jetstream,
        api.StreamConfig(
            name=QUEUE,
            subjects=[f"{RUN}.*.*"],
            retention=api.RetentionPolicy.WORK_QUEUE,
            # The server itself keeps to the quota: no reader of a count can be late.
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
            # What was due twice is done once.
            max_msgs_per_subject=1,
            allow_msg_schedules=True,
            num_replicas=options.replicas,
        ),
    )

    async def create_bucket(name: str, *, republished: bool = False, permanent: bool = False) -> KeyValue:
        republish = api.RePublish(f"$KV.{name}.>", f"{UPDATES}.{name}.>") if republished else None
        # Not direct: what one has written oneself must be read, from whichever replica.
        age_seconds = None if permanent else options.retention_seconds + _MARGIN_SECONDS
        try:
            return await jetstream.create_key_value(
                bucket=name, ttl=age_seconds, replicas=options.replicas, direct=False, republish=republish
            )
        except BadRequestError:
            # It was made with other settings; those that may change follow whoever starts last.
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
    """Return what takes messages as one of many takers of the same name, who share them.

    Args:
        jetstream: Where the stream is.
        stream: Its name.
        config: How messages are taken; it is that of all takers from now on.
    """
    # With the library's own pull_subscribe the first taker would decide for ever.
    await jetstream.add_consumer(stream, config)
    return await jetstream.pull_subscribe_bind(config.durable_name, stream)


async def list_subjects(client: Client, stream: str, pattern: str) -> list[str]:
    """Return all subjects of a stream that there are messages of; the server tells 100,000 at a time.

    Args:
        client: The connection.
        stream: Name of the stream.
        pattern: Which subjects, with wildcards.

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
    """Turn silence of the server into an error that a caller may retry.

    Raises:
        MediaError: UNAVAILABLE.
    """
    try:
        yield
    except (nats.errors.Error, TimeoutError):
        raise MediaError(
            Reason.UNAVAILABLE, "The store of jobs does not answer; retry.", retry_after_seconds=RETRY_SECONDS
        ) from None


async def _create_or_update_stream(jetstream: JetStreamContext, config: api.StreamConfig) -> None:
    """Make a stream, or changes one that was made with other settings, such as another quota."""
    try:
        await jetstream.add_stream(config)
    except BadRequestError:
        await jetstream.update_stream(config)


def _check_credentials(file: Path) -> None:
    """Refuse what the library would fail on, without a word that helps."""
    try:
        is_valid = all(mark in file.read_text() for mark in _CREDENTIALS_MARKERS)
    except (OSError, UnicodeDecodeError):
        is_valid = False
    if not is_valid:
        raise ConfigurationError("NATS_CREDENTIALS must name a file with the credentials of a user, which can be read")


def _format_servers(options: StreamOptions) -> str:
    """Return where the servers are, without the names and passwords that addresses may hold."""
    return ", ".join(URL(server).authority.rpartition("@")[2] for server in options.servers)


def _make_error_logger(servers: str) -> Callable[[Exception], Awaitable[None]]:
    """Return what logs trouble with the connection, now and then; never its texts, which hold addresses and names."""
    last = -_LOG_INTERVAL_SECONDS

    async def log_error(error: Exception) -> None:
        nonlocal last
        if time.monotonic() - last >= _LOG_INTERVAL_SECONDS:
            last = time.monotonic()
            log.warning("NATS does not answer; it is asked again", servers=servers, error_type=type(error).__name__)

    return log_error
