"""A client for folders of pictures: `cutout` for one, `cutouts` for many, `watch` for new ones too.

async for outcome in cutouts(["photos"], Path("cut"), Service("https://<your-app>", key)):
    print(outcome.source, outcome.result)
"""

__version__ = "1.0.0"  # a test holds it to the project's; pyproject.toml and the command read it here

from segment_client.answer import Answer
from segment_client.canvas import Canvas
from segment_client.errors import ClientError
from segment_client.maker import Outcome, Result
from segment_client.options import Format, Look, Mode, Patience, Service
from segment_client.run import CutOut, cutout, cutouts, watch
from segment_client.sign_in import Credential

__all__ = [
    "Answer",
    "Canvas",
    "ClientError",
    "Credential",
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
