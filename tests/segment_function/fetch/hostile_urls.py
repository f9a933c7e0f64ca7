"""URLs that must never lead to a connection, by the trick they play.

`{p}` is the port of the canaries: servers on 127.0.0.1, 127.0.0.2 and ::1 that must not be reached.
Each row has the words the log must give as the reason, so that no row passes for a reason of its own.
"""

from collections.abc import Sequence

GUARD = "address guard"
NUMBER = "dotted decimal"
USER = "user info"
HOST = "malformed host"
CHARACTER = "control character"
SCHEME = "scheme"

INNER_ADDRESSES = [
    "168.63.129.16", "169.254.169.254", "169.254.170.2", "127.0.0.1", "10.0.0.1", "100.64.0.1", "0.0.0.0",
    "198.18.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::1", "::", "::127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::",
    "2001:0:1::80ff:fffe", "fc00::1", "fe80::1", "fec0::1", "ff02::1", "100::1", "3fff::1", "5f00::1",
    "2a01:111::5efe:7f00:1",
]  # fmt: skip

NAMES: dict[str, Sequence[str]] = {
    "localhost": ["::1", "127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "127.0.0.1.example": ["127.0.0.1"],
    "127.0.0.2.example": ["127.0.0.2"],
    "xn--8b4a.example": ["127.0.0.1"],
    "first.example": ["93.184.215.14", "127.0.0.1"],
    "second.example": ["127.0.0.1", "93.184.215.14"],
    "third.example": ["2606:4700::1111", "93.184.215.14", "::ffff:127.0.0.1"],
    "zone.example": ["fe80::1%eth0"],
    "lo.example": ["::1%lo"],
    "empty.example": [],
    "nonsense.example": ["127.1"],
    "blank.example": [""],
}

ANYWHERE = [
    *[(f"http://[{a}]:{{p}}/" if ":" in a else f"http://{a}:{{p}}/", GUARD) for a in INNER_ADDRESSES],
    # The loopback and metadata addresses in every notation inet_aton knows.
    ("http://127.0.0.2:{p}/", GUARD),
    ("http://2130706433:{p}/", NUMBER),
    ("http://2130706434:{p}/", NUMBER),
    ("http://6425673729:{p}/", NUMBER),
    ("http://0x7f000001:{p}/", NUMBER),
    ("http://0X7F000001:{p}/", NUMBER),
    ("http://0x7f.0x0.0x0.0x1:{p}/", NUMBER),
    ("http://0x7f.1:{p}/", NUMBER),
    ("http://127.0.0.0x1:{p}/", NUMBER),
    ("http://127.0.0.0x:{p}/", NUMBER),
    ("http://017700000001:{p}/", NUMBER),
    ("http://0177.0.0.01:{p}/", NUMBER),
    ("http://0177.0.0.1:{p}/", NUMBER),
    ("http://127.1:{p}/", NUMBER),
    ("http://127.0.1:{p}/", NUMBER),
    ("http://127.0.0.001:{p}/", NUMBER),
    ("http://127.0.0.257:{p}/", NUMBER),
    ("http://383.256.256.257:{p}/", NUMBER),
    ("http://0:{p}/", NUMBER),
    ("http://0/", NUMBER),
    ("http://2852039166/latest/meta-data/", NUMBER),
    ("http://0xa9fea9fe/", NUMBER),
    ("http://0251.0376.0251.0376/", NUMBER),
    ("http://169.254.43518/", NUMBER),
    ("http://2822734096/", NUMBER),
    ("http://0xa83f8110/", NUMBER),
    ("http://10.1/", NUMBER),
    # Forms of IPv6.
    ("http://[0:0:0:0:0:0:0:1]:{p}/", GUARD),
    ("http://[0000::0001]:{p}/", GUARD),
    ("http://[::ffff:7f00:1]:{p}/", GUARD),
    ("http://[0:0:0:0:0:ffff:127.0.0.1]:{p}/", GUARD),
    ("http://[::FFFF:127.0.0.2]:{p}/", GUARD),
    ("http://[::ffff:169.254.169.254]/", GUARD),
    ("http://[::ffff:a83f:8110]/", GUARD),
    ("http://[::ffff:0.0.0.0]:{p}/", GUARD),
    ("http://[::ffff:0:127.0.0.1]:{p}/", GUARD),
    ("http://[::7f00:1]:{p}/", GUARD),
    ("http://[64:ff9b::169.254.169.254]/", GUARD),
    ("http://[2002:a9fe:a9fe::1]/", GUARD),
    ("http://[fd00:ec2::254]/", GUARD),
    ("http://[fe80::1%25eth0]:{p}/", HOST),
    ("http://[::1%25lo]:{p}/", HOST),
    ("http://[::1%lo]:{p}/", HOST),
    ("http://[::ffff:127.1]:{p}/", "malformed"),
    ("http://[::ffff:0177.0.0.1]:{p}/", "malformed"),
    ("http://[127.0.0.1]:{p}/", "malformed"),
    ("http://[v1.127.0.0.1]:{p}/", "malformed"),
    ("http://[::1/", "malformed"),
    ("http://::1/", HOST),
    ("http://[::1]x:{p}/", "malformed"),
    # Letters that a mapping turns into an address.
    ("http://１２７.０.０.１:{p}/", GUARD),
    ("http://①②⑦.⓪.⓪.①:{p}/", GUARD),
    ("http://127。0。0。1:{p}/", GUARD),
    ("http://127．0．0．2:{p}/", GUARD),
    ("http://𝟏𝟐𝟕.𝟎.𝟎.𝟏:{p}/", GUARD),
    ("http://127.0.0.1\u00ad:{p}/", GUARD),
    ("http://①②⑦.①:{p}/", NUMBER),
    ("http://０ｘ７ｆ000001:{p}/", NUMBER),
    ("http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{p}/", GUARD),
    ("http://LOCALHOST:{p}/", GUARD),
    ("http://127\u200b.0.0.1:{p}/", GUARD),
    ("http://127.0.0.1\u2488:{p}/", "IDNA"),
    ("http://127.0.0.1\uff0f.example/", "malformed url"),
    ("http://127.0.0.1\uff03@example.com/", "malformed url"),
    ("http://%31%32%37.0.0.1:{p}/", HOST),
    ("http://127.0.0.1%2f.example:{p}/", HOST),
    ("http://127.0.0.1%00.example:{p}/", HOST),
    ("http://127%2e0%2e0%2e1:{p}/", HOST),
    # Trailing and doubled dots.
    ("http://127.0.0.1.:{p}/", HOST),
    ("http://localhost.:{p}/", HOST),
    ("http://127.0.0.1..:{p}/", HOST),
    ("http://127..0.0.1:{p}/", HOST),
    ("http://.127.0.0.1:{p}/", HOST),
    # User info, before and after.
    ("http://example.com@127.0.0.1:{p}/", USER),
    ("http://127.0.0.1:{p}@example.com/", USER),
    ("http://user:password@127.0.0.1:{p}/", USER),
    ("http://@127.0.0.1:{p}/", USER),
    ("http://example.com:80;@127.0.0.1:{p}/", USER),
    ("http://example.com%40@127.0.0.1:{p}/", USER),
    ("http://example.com&@127.0.0.1:{p}#@first.example/", USER),
    # Where one parser ends the host and another does not.
    ("http://127.0.0.1:{p}#@example.com/", GUARD),
    ("http://127.0.0.1:{p}?@example.com/", GUARD),
    ("http://127.0.0.1:{p}/@example.com/", GUARD),
    ("http://127.0.0.1:{p}\\@example.com/", CHARACTER),
    ("http://example.com\\@127.0.0.1:{p}/", CHARACTER),
    ("http:\\\\127.0.0.1:{p}/", CHARACTER),
    ("http://127.0.0.1 .example.com:{p}/", HOST),
    ("http://127.0.0.1:{p}/ HTTP/1.1", GUARD),
    ("http://127.0.0.1\t:{p}/", CHARACTER),
    ("http://127.0.0.1\u3000:{p}/", "host name outside IDNA"),
    ("http://127.0.0.1\x85:{p}/", CHARACTER),
    ("http://127.0.0.1,example.com:{p}/", HOST),
    ("http://127.0.0.1:{p}:80/", HOST),
    # Names that resolve to where they should not.
    ("http://localhost:{p}/", GUARD),
    ("http://metadata.google.internal/computeMetadata/v1/", GUARD),
    ("https://127.0.0.1.example:{p}/", GUARD),
    ("http://127.0.0.2.example:{p}/", GUARD),
    ("http://xn--8b4a.example:{p}/", GUARD),
    ("http://first.example:{p}/", GUARD),
    ("http://second.example:{p}/", GUARD),
    ("http://third.example:{p}/", GUARD),
    ("http://zone.example:{p}/", GUARD),
    ("http://lo.example:{p}/", GUARD),
    ("http://nonsense.example:{p}/", GUARD),
    ("http://blank.example:{p}/", GUARD),
    ("http://empty.example:{p}/", "no address"),
    ("http://unknown.example:{p}/", "name resolution"),
    # Ports.
    ("http://127.0.0.3:22/", "port 22 "),
    ("http://127.0.0.3:0/", HOST),
    ("https://127.0.0.3:8443/", "port 8443 "),
    ("http://127.0.0.1:65536/", HOST),
    ("http://127.0.0.1:99999/", HOST),
    ("http://127.0.0.1:-1/", HOST),
    ("http://127.0.0.1:+80/", HOST),
    ("http://127.0.0.1:000000080/", HOST),
    ("http://127.0.0.1:８０/", HOST),
    ("http://127.0.0.1:8 0/", HOST),
    # Schemes.
    ("file:///etc/passwd", SCHEME),
    ("file://127.0.0.1/etc/passwd", SCHEME),
    ("ftp://127.0.0.1:{p}/", SCHEME),
    ("gopher://127.0.0.1:{p}/_GET%20/", SCHEME),
    ("dict://127.0.0.1:{p}/info", SCHEME),
    ("ws://127.0.0.1:{p}/", SCHEME),
    ("jar:http://127.0.0.1:{p}/!/", SCHEME),
    ("http+unix://%2Fvar%2Frun%2Fdocker.sock/", SCHEME),
    ("data:image/png;base64,iVBORw0KGgo=", SCHEME),
    # No host.
    ("http://:{p}/", HOST),
    ("https://", HOST),
]
"""Hostile as the caller's URL and as the target of a redirect alike."""

AT_FIRST = [
    ("http://", HOST),
    ("", SCHEME),
    ("/", SCHEME),
    ("127.0.0.1:{p}/", SCHEME),
    ("//127.0.0.1:{p}/", SCHEME),
    ("://127.0.0.1:{p}/", SCHEME),
    ("http:127.0.0.1:{p}/", HOST),
    ("http:/127.0.0.1:{p}/", HOST),
    ("http:///127.0.0.1:{p}/", HOST),
    ("http://?127.0.0.1:{p}/", HOST),
    (" http://127.0.0.1:{p}/", GUARD),
    ("http://127.0.0.1:{p}/\n", GUARD),
    ("ht\ntp://127.0.0.1:{p}/", CHARACTER),
    ("http://127.0.0.1:{p}/\x00", CHARACTER),
    ("http://127.0.0.1:{p}/\r\nHost: example.com\r\n\r\n", CHARACTER),
    ("http://\ud800127.0.0.1:{p}/", CHARACTER),
]
"""Hostile as the caller's URL; in a redirect these stay on the server they come from, or are no header."""

REDIRECT_ONLY = [
    ("//127.0.0.1:{p}/", GUARD),
    ("//localhost:{p}", GUARD),
    ("//user@127.0.0.1:{p}/", USER),
    ("/\\127.0.0.1:{p}/", CHARACTER),
    ("http://\udcff127.0.0.1:{p}/", CHARACTER),
]
