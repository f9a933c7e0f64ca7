"""A client for folders of pictures: `cutout` for one, `cutouts` for many, `watch` for those still to come.

async for outcome in cutouts(["photos"], Path("cut"), Service("https://<your-app>", key)):
    print(outcome.source, outcome.result)
"""

__version__ = "1.0.0"  # the project's, as a test sees; pyproject.toml and the command read it here

from segment_client.answer import Answer
from segment_client.errors import ClientError
from segment_client.maker import Outcome, Result
from segment_client.options import Format, Look, Mode, Patience, Service
from segment_client.run import CutOut, cutout, cutouts, watch

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
    "__version__",
    "cutout",
    "cutouts",
    "watch",
]
