"""Faults of a configuration file → one line each: file, line, path, the value as the file has it, what is expected."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Callable, Collection
from datetime import date
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from exporter.config import schema
from exporter.config.config import ConfigError
from exporter.config.document import Items, Mark, Section

KeyPath = tuple[str | int, ...]
"""``("targets", 1, "regions")`` is ``targets[1].regions`` in messages."""

MAX_FAULTS = 100
"""The most faults that are reported, in the order of the file; the rest are only counted."""

_LONGEST_GUESS = 64
"""The most characters of a name for which a similar one is suggested: the comparison takes quadratic time."""

_NO_VALUE = "has no value; write one, or leave the key out"

_TEXTS = {
    "missing": "is missing",
    "string_type": "{value} is not text; put it in quotes",
    "string_too_short": "{value} is too short; the minimum length is {min_length}",
    "string_too_long": "{value} is too long; the maximum length is {max_length}",
    "int_type": "{value} is not a whole number",
    "int_parsing": "{value} is not a whole number",
    "int_parsing_size": "{value} is not a whole number",
    "int_from_float": "{value} is not a whole number",
    "finite_number": "{value} is not a whole number",
    "bool_type": "{value} is not true or false",
    "bool_parsing": "{value} is not true or false",
    "list_type": "{value} is not a list",
    "tuple_type": "{value} is not a list",
    "dict_type": "{value} is not a mapping",
    "model_type": "{value} is not a mapping",
    "too_short": "is empty; add an entry, or leave the key out",
    "greater_than_equal": "{value} is less than {ge}",
    "less_than_equal": "{value} is more than {le}",
    "value_error": "{value} {error}",
    schema.NO_VALUE: _NO_VALUE,
}
"""Type of a pydantic error → message."""


class Faults:
    """Collects the faults of a file. If a path has several, the first is reported.

    Args:
        file: the file's name.
        document: as written in the file, before `exporter.config.variables`. Messages quote only this, never the value
            of an environment variable, which may be a secret.
        root: the schema of the whole file.
        secret: returns whether the value at a path must not be quoted.

    Attributes:
        document: as above.
    """

    def __init__(
        self,
        file: str,
        document: Any,  # noqa: ANN401 - whatever the file holds
        root: type[schema.Section] = schema.File,
        secret: Callable[[KeyPath], bool] = lambda _: False,
    ) -> None:
        self.document = document
        self._file = file
        self._root = root
        self._secret = secret
        self._found: dict[KeyPath, str | ErrorDetails] = {}
        self._spoilt: set[KeyPath] = set()

    def add(self, path: KeyPath, text: str) -> None:
        """Add a fault in our own words."""
        self._found.setdefault(path, text)

    def add_invalid(self, error: ValidationError) -> None:
        """Add all faults that pydantic found."""
        for details in error.errors(include_url=False):
            path: KeyPath = details["loc"]
            if path and path[-1] == "[key]":
                path = path[:-1]
            elif details["type"] == "too_short" and self.written(path):  # empty as no entry is valid
                continue
            self._found.setdefault(path, details)
            self._spoilt.add(path[:2])
        for path, fault in list(self._found.items()):
            if isinstance(fault, dict) and fault["type"] == "extra_forbidden":  # misspelt, not missing
                meant = self._found.get((*path[:-1], _nearest(path[-1], _keys(self._root, path)) or ""))
                if isinstance(meant, dict) and meant["type"] == "missing":
                    del self._found[*path[:-1], str(meant["loc"][-1])]

    def written(self, path: KeyPath) -> Any:  # noqa: ANN401
        """The value in the file at a path; None if there is none."""
        value = self.document
        for part in path:
            try:
                value = value[part]
            except (LookupError, TypeError):
                return None
        return value

    def is_spoilt(self, *section: str | int) -> bool:
        """Whether pydantic found faults in a section, given by the first two parts of its path."""
        return section in self._spoilt

    def quote(self, path: KeyPath, default: object = None) -> str:
        """The value in the file at a path, shortened, as a literal; `default` if there is none."""
        if self._secret(path):
            return "the value"
        value = self.written(path)
        if path:
            value = _as_written(self.written(path[:-1]), path[-1], value)
        return _QUOTE.repr(default if value is None else value)

    def raise_if_any(self) -> None:
        """Raise `ConfigError` if there are faults."""
        if not self._found:
            return
        marked = [(self._mark(path), path) for path in self._found]
        marked.sort(key=lambda item: item[0].index if item[0] else -1)
        lines = [self._line(mark, path) for mark, path in marked[:MAX_FAULTS]]
        if len(marked) > MAX_FAULTS:
            lines.append(f"{self._file}: {len(marked) - MAX_FAULTS:,} more faults")
        raise ConfigError(lines)

    def _line(self, mark: Mark | None, path: KeyPath) -> str:
        place = f"{self._file}:{mark.line + 1}" if mark else self._file
        fault = self._found[path]
        text = fault if isinstance(fault, str) else self._explain(path, fault)
        return f"{place}: {spell(path)}{': ' if path else ''}{text}"

    def _mark(self, path: KeyPath) -> Mark | None:
        """The position of a path, or of the section that lacks it; None for the whole file."""
        value, mark = self.document, None
        for part in path:
            try:
                value, mark = value[part], value.marks[part]
            except (AttributeError, LookupError, TypeError):
                break
        return mark

    def _explain(self, path: KeyPath, details: ErrorDetails) -> str:
        kind, context = details["type"], details.get("ctx", {})
        value = self.quote(path, details["input"]) if details["loc"] == path else _QUOTE.repr(path[-1])
        if kind == "extra_forbidden":
            return _unknown_key(self._root, path)
        if details["input"] is None and kind.endswith("_type"):
            return _NO_VALUE
        if kind == "string_pattern_mismatch":
            return f"{value} is not {schema.PATTERNS[context['pattern']]}"
        if kind == schema.UNKNOWN_REGION:
            return f"{value} {not_a_region(self.written(path), context['known'])}"
        hint = "" if self._secret(path) else _hint(kind, self.written(path))
        return _TEXTS.get(kind, "{value} is not valid").format(value=value, **context) + hint


def not_a_region(name: str, known: Collection[str]) -> str:
    """The message, after the value, for a text that is not `exporter.config.schema.is_region`."""
    short = [other for other in known if len(other) <= _LONGEST_GUESS]
    near = difflib.get_close_matches(name[:_LONGEST_GUESS].lower().replace("_", "-"), short)
    nearest = max(near, key=lambda other: sorted(other) == sorted(name), default=None)  # prefer swapped letters
    if nearest is not None:
        return (
            f"is not an AWS region; did you mean {nearest!r}? If it is newer than this exporter, add it to "
            "aws.extra_regions"
        )
    if re.fullmatch(schema.REGION, name):
        return "is not an AWS region; if it is newer than this exporter, add it to aws.extra_regions"
    return f"is not {schema.PATTERNS[schema.REGION]}"


def _hint(kind: str, written: object) -> str:
    """How to rewrite the value as a list or mapping; empty if that is not obvious."""
    if kind in {"list_type", "tuple_type"}:
        if isinstance(written, dict):
            return "; begin each entry with '- '" if written else ""
        if isinstance(written, str) and re.fullmatch(r"[\w./*@+-]+(, ?[\w./*@+-]+)*", written):
            items = (text if text[0].isalpha() else f'"{text}"' for text in re.split(", ?", written))
            return f"; write [{', '.join(items)}]"
    if kind in {"model_type", "dict_type"} and re.match(r"[a-z_]+:(?!aws)\S", str(written)):
        return "; put a space after each ':'"
    return ""


def _unknown_key(section: Any, path: KeyPath) -> str:  # noqa: ANN401 - a model
    """Suggest the most similar key of the schema there."""
    keys = _keys(section, path)
    nearest = _nearest(path[-1], keys)
    return f"unknown key; did you mean {nearest!r}?" if nearest else f"unknown key; the keys here are {', '.join(keys)}"


def _keys(section: Any, path: KeyPath) -> list[str]:  # noqa: ANN401 - a model
    """The keys that the schema allows at the level of a path."""
    for part in path[:-1]:
        if isinstance(part, str):
            section = _section(_fields(section)[part].annotation)
    return list(_fields(section))


def _nearest(key: str | int, keys: Collection[str]) -> str | None:
    """The key that was probably intended."""
    text = str(key)[:_LONGEST_GUESS]
    near = difflib.get_close_matches(text, keys, n=1) or [each for each in keys if each.endswith(f"_{text}")]
    return near[0] if near else None


def _fields(section: type[schema.Section]) -> dict[str, FieldInfo]:
    """By their names in the file."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def _section(annotation: Any) -> Any:  # noqa: ANN401 - a type, such as list[Entry | None] | None
    """The model in an annotation; None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, schema.Section):
        return annotation
    return next(filter(None, map(_section, get_args(annotation))), None)


def spell(path: KeyPath) -> str:
    """``("targets", 1, "assume_role")`` as people write it: ``targets[1].assume_role``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{_spell_key(part)}" for part in path)
    return "".join(parts).removeprefix(".")


def _spell_key(key: str) -> str:
    return key if key and key.isprintable() and len(key) <= _QUOTE.maxstring else _QUOTE.repr(key)


class Written(str):
    """A scalar other than text, as written in the file."""

    __slots__ = ()


def _as_written(parent: Any, key: str | int, value: object) -> object:  # noqa: ANN401 - a section, a list or neither
    """A value of a section or list; numbers, times and booleans as written."""
    texts = getattr(parent, "texts", {})
    return Written(texts[key]) if key in texts else value


class _Quote(reprlib.Repr):
    """A `repr` of bounded time and size, with YAML's names for scalars."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxstring, self.maxother = 3, 4, 4, 120, 120

    def repr_bool(self, value: bool, _: int) -> str:
        return "true" if value else "false"

    def repr_NoneType(self, _: None, __: int) -> str:  # noqa: N802 - reprlib calls these by the type's name
        return "null"

    def repr_date(self, value: date, _: int) -> str:
        return repr(str(value))

    repr_datetime = repr_date

    def repr_Section(self, value: Section, level: int) -> str:  # noqa: N802
        return self.repr_dict({key: _as_written(value, key, item) for key, item in value.items()}, level)

    def repr_Items(self, value: Items, level: int) -> str:  # noqa: N802
        first = enumerate(value[: self.maxlist + 1])
        return self.repr_list([_as_written(value, index, item) for index, item in first], level)

    def repr_Written(self, value: Written, _: int) -> str:  # noqa: N802
        return value


_QUOTE = _Quote()
