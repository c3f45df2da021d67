"""The object store: objects under keys, in a folder, S3, DigitalOcean Spaces or Supabase."""

from __future__ import annotations

from services.common.storage.factory import load_route_links, open_object_store
from services.common.storage.interface import (
    IMMUTABLE,
    OWNER,
    REPLACEABLE,
    ByteRange,
    ObjectInfo,
    ObjectPage,
    ObjectSpec,
    ObjectStore,
    ObjectUrl,
    OpenObject,
    delete_older_than,
    limit_age,
    read_all,
)
from services.common.storage.route_links import RouteLinks
from services.common.storage.settings import StorageSettings

__all__ = [
    "IMMUTABLE",
    "OWNER",
    "REPLACEABLE",
    "ByteRange",
    "ObjectInfo",
    "ObjectPage",
    "ObjectSpec",
    "ObjectStore",
    "ObjectUrl",
    "OpenObject",
    "RouteLinks",
    "StorageSettings",
    "delete_older_than",
    "limit_age",
    "load_route_links",
    "open_object_store",
    "read_all",
]
