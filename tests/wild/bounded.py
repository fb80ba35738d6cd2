"""How many examples a test of wild input tries."""

from hypothesis import HealthCheck, settings


def bounded(examples: int) -> settings:
    """So many examples; they start servers and threads, so that the time of one says nothing."""
    unwanted = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(deadline=None, max_examples=examples, suppress_health_check=unwanted)
