"""Settings of the whole suite: hypothesis profiles, chosen by HYPOTHESIS_PROFILE; failures print how to repeat them."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("test", max_examples=100, deadline=None, print_blob=True)
settings.register_profile(
    "soak", max_examples=5_000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))
