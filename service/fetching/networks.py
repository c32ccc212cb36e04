"""Which IP addresses are public: where a server may be sent by strangers.

After the IANA special-purpose address registries (RFC 6890 and its updates).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

NOT_PUBLIC_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # behind a carrier's NAT; Alibaba's metadata
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's host of its virtual machines
            "169.254.0.0/16",  # link-local; the metadata of most clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # IETF protocols; Oracle's metadata
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
# All that is public lies in here; IPv4 that is mapped or translated (::ffff:0:0/96, 64:ff9b::/96) does not.
PUBLIC_V6 = IPv6Network("2000::/3")
NOT_PUBLIC_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocols, Teredo among them
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which holds any IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)


def parsed(host: str) -> IPv4Address | IPv6Address | None:
    """The address that `host` spells out (four decimal numbers, or IPv6); None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_public(address: str) -> bool:
    """Whether anybody may be sent to this IP address."""
    ip = parsed(address)
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in NOT_PUBLIC_V4)
    if isinstance(ip, IPv6Address) and ip.scope_id is None:
        return ip in PUBLIC_V6 and not any(ip in network for network in NOT_PUBLIC_V6)
    return False
