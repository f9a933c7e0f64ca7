"""Who reaches an account or a vault: its `publicNetworkAccess` and `networkAcls`, as they were evaluated."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any


def lets_in(properties: Mapping[str, Any], source: str) -> bool:
    """Whether calls from this public address get in; those from inside have none, and always do."""
    if not source:
        return True
    if properties.get("publicNetworkAccess", "Enabled") == "Disabled":
        return False
    rules = properties.get("networkAcls", {})
    if rules.get("defaultAction", "Allow") == "Allow":
        return True
    named = [ip_network(rule["value"]) for rule in rules.get("ipRules", [])]
    return any(ip_address(source) in network for network in named)
