"""A setting names one replica of a service, several, or a name that stands for all."""

from __future__ import annotations

import pytest

from services.common.rpc.addresses import Address, ServiceAddress


@pytest.mark.parametrize(
    ("text", "target", "replicas"),
    [
        ("tts:50051", "dns:///tts:50051", (Address("tts", 50051),)),
        ("dns:///tts:50051", "dns:///tts:50051", (Address("tts", 50051),)),
        ("127.0.0.1:50051", "ipv4:127.0.0.1:50051", (Address("127.0.0.1", 50051),)),
        ("10.0.0.1:1, 10.0.0.2:2", "ipv4:10.0.0.1:1,10.0.0.2:2", (Address("10.0.0.1", 1), Address("10.0.0.2", 2))),
        ("ipv4:10.0.0.1:1,10.0.0.2:2", "ipv4:10.0.0.1:1,10.0.0.2:2", (Address("10.0.0.1", 1), Address("10.0.0.2", 2))),
        ("[::1]:1,[::2]:1", "ipv6:[::1]:1,[::2]:1", (Address("::1", 1), Address("::2", 1))),
    ],
)
def test_an_address_becomes_a_grpc_target_and_a_list_of_replicas(
    text: str, target: str, replicas: tuple[Address, ...]
) -> None:
    address = ServiceAddress.parse(text)
    assert (address.target, address.replicas) == (target, replicas)
    assert ServiceAddress.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", "tts", "tts:0", "http://tts:1", "tts:1/x", "10.0.0.1:1,", "10.0.0.1:99999"])
def test_another_form_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="must be host:port, such as"):
        ServiceAddress.parse(text)


@pytest.mark.parametrize("text", ["a:1,b:1", "10.0.0.1:1,b:1", "10.0.0.1:1,[::1]:1"])
def test_several_names_are_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="use one name that resolves to all replicas"):
        ServiceAddress.parse(text)
