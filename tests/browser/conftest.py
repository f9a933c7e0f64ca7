"""A real browser, and pictures for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.webdriver import CHROMEDRIVER, CHROMIUM, Browser, chromium
from tests.support.hosts import KEYS, Host, embedded_host
from tests.support.issuer import Issuer, oidc_issuer
from tests.support.photos import encoded

WIDTH, HEIGHT = 400, 300


@pytest.fixture(scope="session")
def one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None or CHROMEDRIVER is None:
        pytest.skip("needs chromium and chromedriver")
    with chromium(tmp_path_factory.mktemp("browser") / "chromedriver.txt") as running:
        yield running


@pytest.fixture
def browser(one_browser: Browser) -> Browser:
    """A window of a desktop's size; pages that other tests left open do not matter."""
    one_browser.view(1280)
    return one_browser


@pytest.fixture(scope="session")
def default_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with the network that is deployed."""
    log = tmp_path_factory.mktemp("default_host") / "log.txt"
    with embedded_host(log, {"SEGMENT_API_KEYS": ",".join(KEYS)}) as running:
        yield running


@pytest.fixture(scope="session")
def signed_in(tmp_path_factory: pytest.TempPathFactory, quick_app: Path) -> Iterator[tuple[Host, Issuer]]:
    """A host that takes access tokens alone, and whose."""
    log = tmp_path_factory.mktemp("signed_in") / "log.txt"
    with oidc_issuer() as issuer:
        settings = {"SEGMENT_MODEL": "u2netp", "SEGMENT_KEYS": "off"} | issuer.settings
        with embedded_host(log, settings, quick_app) as running:
            yield running, issuer


@pytest.fixture
def photo_file(tmp_path: Path) -> Path:
    """A PNG of WIDTH by HEIGHT pixels."""
    path = tmp_path / "my photo.png"
    path.write_bytes(encoded("PNG", WIDTH, HEIGHT))
    return path
