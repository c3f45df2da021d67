"""The settings of the object store, read from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr

from services.common.settings import Settings, accept_base_url

StoreName = Literal["local", "s3", "spaces", "supabase"]
_URL = "^https?://[^/?#]+(/[^?#]*)?$"
_OPTIONAL_URL = f"^$|{_URL}"

MIN_LIFETIME_SECONDS = 60
"""Shortest lifetime of a signed link, and so the longest time for which caches may answer for one of a bucket."""
MAX_LIFETIME_SECONDS = 604_800
"""Longest lifetime of a signed link: one week, the limit of S3."""


class StorageSettings(Settings):
    """Settings of the object store; all processes of a suite must use the same."""

    storage: StoreName | None = Field(
        None,
        validation_alias="MEDIA_STORAGE",
        description="Store of the media. Unset: the first configured of supabase, spaces and s3, otherwise local.",
    )
    storage_dir: Path = Field(
        Path(".run/state/objects"),
        validation_alias="MEDIA_STORAGE_DIR",
        description="Folder of the local object store; services and gateway share it.",
    )
    public_url: str = Field(
        "http://localhost:8080",
        pattern=_URL,
        validation_alias="MEDIA_PUBLIC_URL",
        description="Address of the suite from outside; links to local objects begin with it.",
    )
    url_signing_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="MEDIA_URL_SIGNING_KEY",
        description="Secret of links to local objects, events and speech. Unset: a generated one in MEDIA_STORAGE_DIR.",
    )
    url_lifetime_seconds: float = Field(
        86_400,
        ge=MIN_LIFETIME_SECONDS,
        le=MAX_LIFETIME_SECONDS,
        validation_alias="MEDIA_URL_LIFETIME_SECONDS",
        description="Lifetime of links to objects, unless the bucket is public.",
    )

    cache_seconds: float = Field(
        3600,
        ge=0,
        le=31_536_000,
        validation_alias="MEDIA_CACHE_SECONDS",
        description="Longest time for which browsers and CDNs answer with a stored object, even a deleted one.",
    )

    s3_bucket: str = Field("", validation_alias="S3_BUCKET", description="Bucket in S3.")
    s3_region: str = Field("us-east-1", validation_alias="S3_REGION", description="Region of the bucket.")
    s3_endpoint: str = Field(
        "",
        pattern=_OPTIONAL_URL,
        validation_alias="S3_ENDPOINT",
        description="Address of a server with the S3 protocol. Unset: Amazon S3.",
    )
    s3_access_key_id: SecretStr = Field(
        SecretStr(""), validation_alias="S3_ACCESS_KEY_ID", description="Access key id of the account."
    )
    s3_secret_access_key: SecretStr = Field(
        SecretStr(""), validation_alias="S3_SECRET_ACCESS_KEY", description="Secret of the access key."
    )
    s3_public_url: str = Field(
        "",
        pattern=_OPTIONAL_URL,
        validation_alias="S3_PUBLIC_URL",
        description="Address at which the bucket is public, such as a CDN. Unset: signed links.",
    )
    s3_virtual_hosted: bool = Field(
        False,
        validation_alias="S3_VIRTUAL_HOSTED",
        description="Whether S3_ENDPOINT has the bucket in its host name.",
    )
    s3_encryption: Literal["", "AES256", "aws:kms", "aws:kms:dsse"] = Field(
        "",
        validation_alias="S3_ENCRYPTION",
        description="Server-side encryption of new objects. Unset: the default of the bucket.",
    )
    s3_kms_key_id: str = Field(
        "",
        validation_alias="S3_KMS_KEY_ID",
        description="Key for aws:kms and aws:kms:dsse. Unset: that of the account.",
    )
    s3_customer_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="S3_CUSTOMER_KEY",
        description="Encryption key of your own: 32 bytes in base64. The gateway then serves the objects.",
    )

    spaces_key: SecretStr = Field(
        SecretStr(""), validation_alias="DIGITALOCEAN_SPACES_KEY", description="Access key of the Spaces account."
    )
    spaces_secret: SecretStr = Field(
        SecretStr(""), validation_alias="DIGITALOCEAN_SPACES_SECRET", description="Secret of the access key."
    )
    spaces_region: str = Field(
        "nyc3",
        pattern="^[a-z0-9]+$",
        validation_alias="DIGITALOCEAN_SPACES_REGION",
        description="Region of the Space.",
    )
    spaces_endpoint: str = Field(
        "",
        pattern=_OPTIONAL_URL,
        validation_alias="DIGITALOCEAN_SPACES_ENDPOINT",
        description="Address of the server. Unset: that of the region, https://REGION.digitaloceanspaces.com.",
    )
    spaces_customer_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="DIGITALOCEAN_SPACES_CUSTOMER_KEY",
        description="Encryption key of your own: 32 bytes in base64. The gateway then serves the objects.",
    )
    spaces_bucket: str = Field("", validation_alias="DIGITALOCEAN_SPACES_BUCKET", description="Name of the Space.")
    spaces_cdn: str = Field(
        "",
        pattern=_OPTIONAL_URL,
        validation_alias="DIGITALOCEAN_SPACES_CDN",
        description="Address at which the Space is public. Unset: signed links.",
    )

    supabase_url: Annotated[str, accept_base_url("/rest/v1", "/storage/v1", "/auth/v1")] = Field(
        "", pattern=_OPTIONAL_URL, validation_alias="SUPABASE_URL", description="Address of the Supabase project."
    )
    supabase_service_role: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE"),
        description="Secret key (sb_secret_...) of the project, or its older service role key.",
    )
    supabase_bucket: str = Field("pets", validation_alias="SUPABASE_BUCKET", description="Bucket in Supabase.")
    supabase_bucket_public: bool = Field(
        True,
        validation_alias="SUPABASE_BUCKET_PUBLIC",
        description="Whether the bucket is public. If not, links are signed.",
    )
    supabase_public_url: str = Field(
        "",
        pattern=_OPTIONAL_URL,
        validation_alias="SUPABASE_PUBLIC_URL",
        description="Address of Supabase for readers, if it differs from SUPABASE_URL. Unset: SUPABASE_URL.",
    )

    @property
    def store_name(self) -> StoreName:
        """Name of the store to use."""
        if self.storage is not None:
            return self.storage
        return next(iter(self.configured_stores), "local")

    @property
    def configured_stores(self) -> tuple[StoreName, ...]:
        """Names of the stores, without local, that have their main settings, in the order of preference."""
        is_configured: dict[StoreName, bool] = {
            "supabase": bool(self.supabase_url and self.supabase_service_role.get_secret_value()),
            "spaces": bool(self.spaces_key.get_secret_value()),
            "s3": bool(self.s3_bucket),
        }
        return tuple(name for name, configured in is_configured.items() if configured)
