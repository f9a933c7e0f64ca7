from ipaddress import ip_address, ip_network

import pytest

from segment_function.fetch.guard import AddressGuard, recommended_wall
from tests.segment_function.fetch.hostile_urls import INNER_ADDRESSES

OTHERS = [
    "127.255.255.255", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255",
    "100.127.255.255", "0.255.255.255", "169.254.0.1", "169.254.129.3", "192.0.0.8", "192.31.196.1",
    "192.52.193.1", "192.175.48.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "239.255.255.255",
    "254.0.0.1", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "0:0:0:0:0:ffff:a00:1",
    "::ffff:168.63.129.16", "::ffff:0.0.0.0", "::10.0.0.1", "::8.8.8.8", "::ffff:0:127.0.0.1",
    "64:ff9b::8.8.8.8", "2002:a9fe:a9fe::1", "2001:db8::1", "2001:10::1", "2001:20::1", "2620:4f:8000::1",
    "100:0:0:1::1", "fd00:ec2::254", "fe80::5efe:10.0.0.1", "febf::1", "ff0e::1",
    "2a01:111::200:5efe:10.0.0.1", "2a01:111::5efe:8.8.8.8", "1::1", "200::1", "1fff::1", "4000::1",
    "8000::1", "e000::1",
]  # fmt: skip

NOT_ADDRESSES = [
    "", " ", "localhost", "127.1", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "127.0.0.1.", " 8.8.8.8",
    "8.8.8.8 ", "8.8.8.8/32", "8.8.8.008", "256.1.1.1", "[::1]", "[2606:4700::1111]", "2606:4700::1111/128",
    "::g", "1::2::3", "fe80::1%eth0", "2606:4700::1111%1", "2606:4700::1111%", "\uff18.8.8.8",
    "\x008.8.8.8",
]  # fmt: skip

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "20.60.0.1", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0",
    "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
    "198.20.0.0", "223.255.255.255", "::ffff:8.8.8.8", "2001:4860:4860::8888", "2606:4700::1111",
    "2a01:111::1", "2a01:111::5eff:7f00:1", "2a01:111::1234:5efe:7f00:1", "2620:1ec:c11::200",
]  # fmt: skip


@pytest.mark.parametrize("address", INNER_ADDRESSES + OTHERS + NOT_ADDRESSES)
def test_refuses(address: str) -> None:
    assert AddressGuard().refusal(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_allows_public_addresses(address: str) -> None:
    assert AddressGuard().refusal(address) is None


@pytest.mark.parametrize("network", recommended_wall(), ids=str)
def test_refuses_both_ends_of_every_network_of_the_wall(network: object) -> None:
    ends = ip_network(str(network))
    assert AddressGuard().refusal(str(ends.network_address))
    assert AddressGuard().refusal(str(ends.broadcast_address))


def test_refuses_whatever_python_holds_for_not_global() -> None:
    # Steps through all of IPv4 by a large odd number, and through every 12-bit prefix of IPv6.
    sample = [str(ip_address(n * 2_654_435_761 % 2**32)) for n in range(8192)]
    sample += [str(ip_address(n << 116 | 1)) for n in range(1, 4096)]
    inner = [address for address in sample if not ip_address(address).is_global]
    assert len(inner) > 500
    assert [address for address in inner if AddressGuard().refusal(address) is None] == []


OPENED = [
    # allowed network, opened, still refused
    ("127.0.0.1/32", ["127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1"], ["127.0.0.2", "127.0.0.0"]),
    ("127.0.0.1/32", ["127.0.0.1"], ["::127.0.0.1", "::1"]),
    ("10.1.0.0/16", ["10.1.0.0", "10.1.255.255"], ["10.0.255.255", "10.2.0.0", "2002:a01:1::"]),
    ("10.1.0.0/16", ["::ffff:10.1.2.3"], ["2a01:111::5efe:10.1.0.1", "::10.1.0.1", "64:ff9b::10.1.0.1"]),
    ("::ffff:10.0.0.0/104", ["10.9.9.9", "::ffff:10.9.9.9"], ["11.0.0.1%1", "127.0.0.1"]),
    ("::1/128", ["::1", "0:0:0:0:0:0:0:1"], ["::", "::2", "127.0.0.1", "::ffff:127.0.0.1"]),
    ("fd00::/8", ["fd12::1"], ["fc00::1", "fd12::1%eth0", "fe80::1"]),
    ("::/0", ["::1", "fe80::1", "2a01:111::5efe:7f00:1"], ["127.0.0.1", "::ffff:127.0.0.1", "fe80::1%1"]),
    ("0.0.0.0/0", ["127.0.0.1", "::ffff:127.0.0.1"], ["::1", "localhost", ""]),
]  # fmt: skip


@pytest.mark.parametrize(("network", "opened", "refused"), OPENED)
def test_allowed_networks_open_exactly_themselves(
    network: str, opened: list[str], refused: list[str]
) -> None:
    guard = AddressGuard((ip_network("192.168.7.0/24"), ip_network(network)))
    assert [address for address in opened if guard.refusal(address)] == []
    assert [address for address in refused if not guard.refusal(address)] == []
    assert guard.refusal("8.8.8.8") is None
