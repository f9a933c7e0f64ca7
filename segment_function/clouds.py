"""Azure's clouds: where tenants sign in, who issues their tokens, and the audience of the tokens.

The issuers of version 1 tokens are those of the discovery documents. Azure operated by 21Vianet has two
sign-in addresses, and libraries use either. No cloud was tested with a real tenant.
"""

from dataclasses import dataclass
from typing import Final

_GLOBAL_V1_ISSUER = "https://sts.windows.net"


@dataclass(frozen=True)
class Cloud:
    """`audience`: of the retired service; existing clients request tokens for it."""

    authorities: frozenset[str]
    v1_issuer: str
    audience: str

    def issuers(self, tenant: str) -> set[str]:
        """The valid values of `iss` in a token of the tenant."""
        return {f"{self.v1_issuer}/{tenant}/"} | {f"{each}/{tenant}/v2.0" for each in self.authorities}

    def has(self, url: str) -> bool:
        """Whether a URL belongs to its sign-in."""
        return any(url.startswith(f"{authority}/") for authority in self.authorities)


PUBLIC: Final = Cloud(
    frozenset({"https://login.microsoftonline.com"}),
    _GLOBAL_V1_ISSUER,
    "https://cognitiveservices.azure.com",
)
GOVERNMENT: Final = Cloud(
    frozenset({"https://login.microsoftonline.us"}), _GLOBAL_V1_ISSUER, "https://cognitiveservices.azure.us"
)
CHINA: Final = Cloud(
    frozenset({"https://login.partner.microsoftonline.cn", "https://login.chinacloudapi.cn"}),
    "https://sts.chinacloudapi.cn",
    "https://cognitiveservices.azure.cn",
)


def cloud_of(authority: str) -> Cloud:
    """The cloud that an authority belongs to; an unknown authority counts as the public cloud's."""
    for cloud in (PUBLIC, GOVERNMENT, CHINA):
        if authority in cloud.authorities:
            return cloud
    return Cloud(frozenset({authority}), PUBLIC.v1_issuer, PUBLIC.audience)
