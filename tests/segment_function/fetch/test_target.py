import pytest

from segment_function.fetch.target import MAX_URL_CHARS, is_ip_address, parse_target
from shared_code.errors import UrlNotAccessible

READ = [
    # url, host, port, Host field, path and query
    ("http://example.com", "example.com", 80, "example.com", "/"),
    ("https://example.com", "example.com", 443, "example.com", "/"),
    ("HTTPS://EXAMPLE.com:443/A.png", "example.com", 443, "example.com", "/A.png"),
    ("http://example.com:443/a", "example.com", 443, "example.com:443", "/a"),
    ("http://example.com:/a", "example.com", 80, "example.com", "/a"),
    ("http://example.com?x=1", "example.com", 80, "example.com", "/?x=1"),
    ("http://example.com/a#@127.0.0.1/", "example.com", 80, "example.com", "/a"),
    ("http://a.test/a?b=c%20d&e=/?:@,;~'()*!$+", "a.test", 80, "a.test", "/a?b=c%20d&e=/?:@,;~'()*!$+"),
    ("http://example.com/ü|\"?q=ü|", "example.com", 80, "example.com", "/%C3%BC%7C%22?q=%C3%BC%7C"),
    ("http://example.com/my photo é.jpg", "example.com", 80, "example.com", "/my%20photo%20%C3%A9.jpg"),
    ("http://example.com/a?b=c d&e=\u00fc +1", "example.com", 80, "example.com", "/a?b=c%20d&e=%C3%BC%20+1"),
    ("http://example.com/a\u3000b\u00a0", "example.com", 80, "example.com", "/a%E3%80%80b"),
    (" \r\n\thttp://example.com/a \n", "example.com", 80, "example.com", "/a"),
    ("http://a.test/a%2Fb%2fc?sig=a%2Bb%3D%3d", "a.test", 80, "a.test", "/a%2Fb%2fc?sig=a%2Bb%3D%3d"),
    ("http://a.test/100%/%zz/%C3%A9é?5%&%u00e9", "a.test", 80, "a.test", "/100%/%zz/%C3%A9%C3%A9?5%&%u00e9"),
    ("http://a.test/;a=b/.//c/?", "a.test", 80, "a.test", "/;a=b/.//c/"),
    ("http://example.com/a/../b", "example.com", 80, "example.com", "/a/../b"),
    ("http://my_account.blob-1.example/", "my_account.blob-1.example", 80, "my_account.blob-1.example", "/"),
    ("http://bücher.example/", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/"),
    ("http://ＥＸＡＭＰＬＥ.com/", "example.com", 80, "example.com", "/"),
    ("http://例え。テスト/", "xn--r8jz45g.xn--zckzah", 80, "xn--r8jz45g.xn--zckzah", "/"),
    ("http://intranet/", "intranet", 80, "intranet", "/"),
    ("http://1.1.1.1/", "1.1.1.1", 80, "1.1.1.1", "/"),
    ("http://１．１．１．１/", "1.1.1.1", 80, "1.1.1.1", "/"),
    ("http://3com.example/", "3com.example", 80, "3com.example", "/"),
    ("http://[2606:4700:0:0::1111]:443/", "2606:4700::1111", 443, "[2606:4700::1111]:443", "/"),
    ("http://[::FFFF:8.8.8.8]/", "::ffff:8.8.8.8", 80, "[::ffff:8.8.8.8]", "/"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "host", "port", "host_header", "path_and_query"), READ)
def test_reads(url: str, host: str, port: int, host_header: str, path_and_query: str) -> None:
    target = parse_target(url)
    assert (target.host, target.port, target.host_header, target.path_and_query) == (
        host,
        port,
        host_header,
        path_and_query,
    )


REFERENCES = [
    # Location, url it leads to from https://one.example:443/a/b?c
    ("d", "https://one.example:443/a/d"),
    ("/d?e", "https://one.example:443/d?e"),
    ("../../d", "https://one.example:443/d"),
    ("?e", "https://one.example:443/a/b?e"),
    ("//two.example/d", "https://two.example/d"),
    ("http://two.example", "http://two.example"),
]


@pytest.mark.parametrize(("location", "url"), REFERENCES)
def test_resolves_a_reference(location: str, url: str) -> None:
    assert parse_target(location, parse_target("https://one.example:443/a/b?c")) == parse_target(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/" + "a" * (MAX_URL_CHARS - 18),
        "http://" + "a" * 64 + ".example/",
        "http://" + "a." * 130 + "example/",
        "http://" + "ü" * 60 + ".example/",
        "http://" + "ü" * 5000 + "/",
        "http://-a.example/",
        "http://a-.example/",
        "http://a..example/",
        "http://.example/",
        "http://*.example/",
        "http://a,b.example/",
        "http://xn--/",
        "http://a\u200bb.\u2488example/",
        "http://example.com/\ud800",
        "http://ex\udc00ample.com/",
        "http://exa mple.com/",
        "http:// example.com/",
        "http ://example.com/",
        "http://example.com :80/",
        "http://example.com\u00a0/",
        "http://example.com/a\tb",
        "http://example.com/a\nb",
        "http://example.com/a\u0085b",
    ],
)
def test_refuses(url: str) -> None:
    with pytest.raises(UrlNotAccessible):
        parse_target(url)


def test_the_longest_url_passes() -> None:
    assert parse_target("http://example.com/" + "a" * (MAX_URL_CHARS - 19)).host == "example.com"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://1.2.3.4/", True),
        ("http://[::1]/", True),
        ("http://a1.example/", False),
        ("http://a1/", False),
    ],
)
def test_tells_an_address_from_a_name(url: str, expected: bool) -> None:
    assert is_ip_address(parse_target(url).host) is expected


def test_printed_form_hides_path_and_query() -> None:
    assert "secret" not in repr(parse_target("https://example.com/secret?sig=secret"))
