"""What this process has one of: the settings it started with, and the engine both edges share."""

from shared_code.engine import Engine
from shared_code.settings import load_settings

settings = load_settings()
engine = Engine(settings)
