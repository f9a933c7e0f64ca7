"""Queue messages through the worker library that Azure runs."""

import base64
import io
import subprocess
import sys
from pathlib import Path

from PIL import Image

from local_host.events import blob_created, queue_message
from shared_code.errors import ImageFormatInvalid
from tests.cutout_function.cloud import Cloud
from tests.support.hosts import PROJECT, environment
from tests.support.photos import encoded

PATIENCE_S = 240


def test_messages_become_outputs(cloud: Cloud, tmp_path: Path) -> None:
    good = cloud.uploader.upload("a picture.jpg", encoded("JPEG", 120, 80))
    cloud.uploader.announce(good)
    cloud.uploader.announce(good)
    cloud.uploader.announce(cloud.uploader.upload("bad.jpg", b"nothing of a picture"))
    elsewhere = blob_created(good) | {"topic": "/providers/Microsoft.Storage/storageAccounts/other"}
    cloud.queue.send_message(queue_message(elsewhere))
    malformed = base64.b64encode(b"{}").decode()
    cloud.queue.send_message(malformed)

    log = tmp_path / "log.txt"
    with log.open("wb") as output:
        worker = subprocess.run(
            [sys.executable, "-m", "tests.cutout_function.worker_queue", PROJECT],
            cwd=tmp_path,
            env=environment(cloud.environment) | {"PYTHONPATH": str(PROJECT), "SEGMENT_MODEL": "u2netp"},
            stdout=output,
            stderr=output,
            timeout=PATIENCE_S,
        )
    assert worker.returncode == 0, log.read_text()

    written = cloud.written()
    assert written.keys() == {"a picture.jpg.png", "bad.jpg.error.json"}
    assert written["bad.jpg.error.json"] == ImageFormatInvalid().body()
    with Image.open(io.BytesIO(written["a picture.jpg.png"])) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (120, 80))
    assert cloud.queue.get_queue_properties().approximate_message_count == 0
    assert [message.content for message in cloud.poison.receive_messages()] == [malformed]
