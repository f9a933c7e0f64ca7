"""How far properties are looked into: the same examples each time, or more and other ones every night."""

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "same each time",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=40,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly",
    deadline=None,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "3000")),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("nightly" if "FUZZ_EXAMPLES" in os.environ else "same each time")
