"""`python -m local_host`: serve the functions on this machine only."""

import logging
import os
import sys

import uvicorn

from local_host.app import asgi_app


def main() -> None:
    """Listen on loopback, on the port in `PORT` (7071 unless set)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # its lines hold query strings
    port = os.environ.get("PORT", "7071")
    if not port.isdecimal() or not 1 <= int(port) <= 65_535:
        sys.exit(f"PORT must be a number from 1 to 65535, not {port!r}")
    from function_app import app

    uvicorn.run(asgi_app(app), host="127.0.0.1", port=int(port), log_config=None, lifespan="off")


if __name__ == "__main__":
    main()
