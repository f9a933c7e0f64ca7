"""Which IP addresses an image may be fetched from.

The wall is the table Microsoft publishes for this purpose, `AntiSSRF.IPAddressRanges.recommended_latest`
(https://github.com/microsoft/AntiSSRF), and two rules for what that table lets through:

- IPv6 outside 2000::/3, the only space IANA hands out as global unicast (RFC 4291 section 2.4 and the
  IANA IPv6 address space registry). This holds the IPv4-compatible ::/96 and the IPv4-translated
  ::ffff:0:0:0/96.
- ISATAP, whose interface identifier carries an IPv4 address below any prefix (RFC 5214 section 6.1).

`ipaddress`'s own `is_global` is no guard: it passes 168.63.129.16 and ISATAP, among others.
A NAT64 gateway under a prefix of its own (RFC 6052) cannot be told from other global unicast addresses.
"""

import functools
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from shared_code.settings import IPNetwork

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_IPV4_MAPPED = IPv6Network("::ffff:0:0/96")
_ISATAP_IDENTIFIERS = frozenset({0x0000_5EFE, 0x0200_5EFE})


@functools.cache
def recommended_wall() -> tuple[IPNetwork, ...]:
    """Microsoft's table of networks that no request on behalf of a caller should reach."""
    # Imported at the first URL and not at start: the package imports `requests`, 100 ms on top of asyncio
    # and ssl, of which nothing is used here.
    from AntiSSRF import IPAddressRanges

    return tuple(ip_network(cidr) for cidr in IPAddressRanges.recommended_latest)


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Refuses every address of `wall`, and those of the two rules above, but the ones in `allowed_networks`.

    An IPv4-mapped address (::ffff:a.b.c.d) reaches the same machine as a.b.c.d and is judged as a.b.c.d.
    Every other form that embeds an IPv4 address is judged as the IPv6 address it is: opening 10.0.0.0/8
    does not open 64:ff9b::10.0.0.1.
    """

    allowed_networks: tuple[IPNetwork, ...] = ()
    wall: tuple[IPNetwork, ...] = field(default_factory=recommended_wall)

    def refusal(self, address: str) -> str | None:
        """The rule that refuses `address`, the text of an IPv4 or IPv6 address; None when it may be opened.

        What is not plainly an address is refused.
        """
        # A zone id picks a network interface: such an address is link-local by nature.
        if "%" in address:
            return "has a zone id"
        try:
            judged = _unmapped(ip_address(address))
        except ValueError:
            return "is not an IP address"
        if any(judged in _unmapped_network(network) for network in self.allowed_networks):
            return None
        for network in self.wall:
            if judged in network:
                return f"is in {network}"
        if isinstance(judged, IPv6Address):
            return _ipv6_refusal(judged)
        return None


def _ipv6_refusal(address: IPv6Address) -> str | None:
    if address not in _GLOBAL_UNICAST:
        return f"is outside {_GLOBAL_UNICAST}"
    if int(address) >> 32 & 0xFFFF_FFFF in _ISATAP_IDENTIFIERS:
        return "is an ISATAP address"
    return None


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _unmapped_network(network: IPNetwork) -> IPNetwork:
    if isinstance(network, IPv6Network) and network.subnet_of(_IPV4_MAPPED):
        first = int(network.network_address) & 0xFFFF_FFFF
        return IPv4Network((first, network.prefixlen - _IPV4_MAPPED.prefixlen))
    return network
