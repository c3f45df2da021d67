"""Public addresses, and private ones that an operator allows."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.fetch.addresses import AddressPolicy, is_public


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.215.14", "2606:4700::1111"])
def test_global_addresses_are_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:101:101::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)
def test_private_and_local_addresses_in_any_form_are_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@given(st.ip_addresses(v=4))
def test_no_embedding_makes_a_private_address_public(address: ipaddress.IPv4Address) -> None:
    if is_public(address):
        return
    for disguise in (
        ipaddress.IPv6Address(f"::ffff:{address}"),
        ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(address)),
        ipaddress.IPv6Address(int(ipaddress.IPv6Address("2002::")) + (int(address) << 80)),
    ):
        assert not is_public(disguise)


def test_allowed_addresses_are_parsed() -> None:
    allowed = AddressPolicy.parse(["MinIO.internal", "127.0.0.1:9000", "[::1]:9000", "10.1.0.0/16", "fd00::/8"])
    assert allowed.allows_name("minio.internal", 1)
    assert allowed.allows_name("127.0.0.1", 9000)
    assert not allowed.allows_name("127.0.0.1", 9001)
    assert allowed.allows_name("::1", 9000)
    assert allowed.allows_address(ipaddress.ip_address("10.1.2.3"))
    assert not allowed.allows_address(ipaddress.ip_address("10.2.2.3"))
    assert allowed.allows_address(ipaddress.ip_address("fd00::1"))
    assert not AddressPolicy().allows_name("minio.internal", 1)
