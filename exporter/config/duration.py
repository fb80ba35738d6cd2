"""Durations as people write them."""

from __future__ import annotations

import re

_PART = r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdw])"

DURATION = f"({_PART}){{1,6}}"
"""Regular expression of a duration."""

MAX_DURATION = 36500 * 86400.0
"""A century: a time before the calendar begins would fail only at a walk."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def seconds(value: object) -> float:
    """``45s``, ``15m``, ``1h30m`` or ``14d`` in seconds.

    Raises:
        ValueError: says what is wrong with the value, without the value.
    """
    if not isinstance(value, str) or not re.fullmatch(DURATION, value):
        raise ValueError("is not a duration such as 45s, 15m, 1h30m or 14d")
    total = sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, value))
    if total > MAX_DURATION:
        raise ValueError("is more than 36500d")
    return total


def parse_duration(value: object) -> float:
    """Like `seconds`, but the `ValueError` also names the value."""
    try:
        return seconds(value)
    except ValueError as error:
        raise ValueError(f"{value!r} {error}") from None
