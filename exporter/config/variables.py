"""``${NAME}`` in the values of a document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from exporter.config.messages import Faults, KeyPath

MAX_CHARACTERS = 4 * 1024 * 1024
"""The most characters of all values with variables together: a file can name a long one a million times."""

_VARIABLE = re.compile(r"\$(\$)?\{(?:([A-Za-z_][A-Za-z0-9_]*)\})?")
"""The escape ``$${``, or ``${`` and a variable's name; without the name it is a fault."""


def substitute(document: Any, environ: Mapping[str, str], faults: Faults) -> Any:  # noqa: ANN401 - whatever it holds
    """A copy of a document, in plain dicts and lists, with environment variables in place of ``${NAME}``.

    Substitutes in every text except keys; ``$${`` stands for ``${``. A variable's value is not parsed as YAML and not
    substituted again.

    Args:
        document: as written in the file.
        environ: the environment.
        faults: collects a fault for each value with a missing or unusable variable; the value then stays as written.
    """
    return _Substitution(environ, faults).copy(document, ())


class _Substitution:
    def __init__(self, environ: Mapping[str, str], faults: Faults) -> None:
        self._environ = environ
        self._faults = faults
        self._length = 0

    def copy(self, value: Any, path: KeyPath) -> Any:  # noqa: ANN401
        if isinstance(value, dict):
            return {key: self.copy(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.copy(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        try:
            return self._substituted(value)
        except ValueError as error:
            self._faults.add(path, str(error))
            return value

    def _substituted(self, text: str) -> str:
        names = [name for escaped, name in _VARIABLE.findall(text) if not escaped]
        if "" in names:
            raise ValueError(
                f"{text!r:.100} has '${{' without a name and '}}'; write ${{NAME}}, or $${{ for a literal ${{"
            )
        missing = list(dict.fromkeys(name for name in names if name not in self._environ))
        if missing:
            raise ValueError("; ".join(f"the environment variable {name} is not set" for name in missing[:10]))
        self._length += len(text) + sum(len(self._environ[name]) for name in names)
        if self._length > MAX_CHARACTERS:
            raise ValueError(f"the values with variables are longer than {MAX_CHARACTERS:,} characters together")
        value = _VARIABLE.sub(lambda match: match[0][1:] if match[1] else self._environ[match[2]], text)
        try:
            value.encode()
        except UnicodeEncodeError:  # the variable holds other bytes, which the cause would quote
            raise ValueError(f"{text!r:.100} is not UTF-8 text once its variables are in place") from None
        return value
