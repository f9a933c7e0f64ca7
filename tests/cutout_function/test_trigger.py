"""What happens for an event, with real storage."""

import asyncio
from dataclasses import replace

import pytest

from cutout_function.trigger import Cutouts
from local_host.events import blob_created, queue_message
from shared_code.errors import TooManyRequests
from shared_code.record import Edge
from shared_code.settings import load_settings
from shared_code.visit import Arrival
from tests.cutout_function.cloud import Cloud, MakerFake
from tests.support.patience import PATIENCE_S


def test_an_event_is_given_up_at_its_deadline(cloud: Cloud) -> None:
    async def too_long(_number: int) -> None:
        await asyncio.sleep(PATIENCE_S)

    blob = cloud.uploader.upload("a.jpg", b"a picture")
    maker = MakerFake(too_long)
    settings = replace(load_settings({}), cutout=cloud.settings, deadline_s=3)
    cutouts = Cutouts(settings, maker, maker.records.append)
    event = queue_message(blob_created(blob)).encode()
    with pytest.raises(TooManyRequests):
        asyncio.run(cutouts.serve(event, Arrival("a message", Edge.BLOB)))
