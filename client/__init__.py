"""A client for folders of pictures: `cutout` for one, `cutouts` for many, `watch` for those still to come.

async for outcome in cutouts(["photos"], Path("cut"), Service("https://<your-app>", key)):
    print(outcome.source, outcome.result)
"""

from client.connection import Answer
from client.errors import ClientError
from client.maker import Outcome, Result
from client.options import Format, Look, Mode, Patience, Service
from client.run import CutOut, cutout, cutouts, watch

__all__ = [
    "Answer",
    "ClientError",
    "CutOut",
    "Format",
    "Look",
    "Mode",
    "Outcome",
    "Patience",
    "Result",
    "Service",
    "cutout",
    "cutouts",
    "watch",
]
