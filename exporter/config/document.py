"""YAML → a document of plain values that knows where everything stands in the file.

Reads the events of libyaml and composes them itself: so every limit holds before anything is built, whatever the file
holds, and nothing recurses deeper than `MAX_DEPTH`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import yaml
from yaml.constructor import SafeConstructor
from yaml.reader import ReaderError

from exporter.config.config import ConfigError

MAX_NODES = 250_000
"""Values and keys of a file, aliases unfolded; a text counts once more for every 100 characters. 10,000 targets with
a role, an external id, labels and regions have 140,000."""

MAX_DEPTH = 20
"""Levels of nesting, aliases unfolded. The deepest key of the schema is on level 6."""

_LONGEST_NUMBER = 100
"""Characters of a number, date or boolean. What is longer is text: converting it could take minutes."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML can be built without libyaml, which is 8 times faster
_TAG = "tag:yaml.org,2002:"
_SCALARS = {f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "timestamp")}


class Mark(Protocol):
    """Where something stands in the file; all numbers from 0."""

    index: int
    line: int
    column: int


class Section(dict[str, Any]):
    """A mapping of the file.

    Attributes:
        marks: where each of its keys stands.
        texts: numbers, times and booleans among its values, as they are written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.marks: dict[str, Mark] = {}
        self.texts: dict[str, str] = {}


class Items(list[Any]):
    """A list of the file; attributes as of a `Section`."""

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[Mark] = []
        self.texts: dict[int, str] = {}


def compose(content: bytes, file: str, *, typed: bool = True) -> Any:  # noqa: ANN401 - whatever the file holds
    """The document in a file: a scalar, a `Section` or an `Items`; None if it is empty.

    YAML 1.1 as PyYAML's safe loader reads it, with anchors and merge keys. But keys must be text and unique, and there
    are no tags but those of scalars.

    Args:
        content: the file's content.
        file: its name, for messages.
        typed: whether a plain scalar may be a number, boolean or time; if not, it is null or the text as written.

    Raises:
        ConfigError: it is not UTF-8, not such YAML, or beyond a limit. Names the line and column.
    """
    try:
        content.decode()
        return _Composer(content, _SCALARS if typed else {f"{_TAG}null"}).document()
    except UnicodeDecodeError as error:
        fault = f"{_place(content, error.start)}: is not UTF-8 text ({error.reason}); save it as UTF-8"
    except ReaderError as error:
        character = content[error.position :].decode(errors="replace")[:1]
        fault = f"{_place(content, error.position)}: the character {character!r} is not allowed in YAML"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        fault = f"{f':{mark.line + 1}:{mark.column + 1}' if mark else ''}: {_explain(error)}"
    raise ConfigError([f"{file}{fault}"])


_INDENT = "the indentation fits none of the lines above; begin a line in the same column as its neighbours"

_PROBLEMS = {
    "mapping values are not allowed in this context": (
        "a key can't stand here; indent it like its neighbours, or put a text that has ': ' in it in quotes"
    ),
    "did not find expected key": _INDENT,
    "did not find expected '-' indicator": _INDENT,
    "did not find expected ',' or ']'": "a ',' or the ']' of this list is missing",
    "did not find expected ',' or '}'": "a ',' or the '}' of this mapping is missing",
    "could not find expected ':'": "the ':' after a key is missing",
    "block sequence entries are not allowed in this context": "a '- ' can't stand here; begin it on a line of its own",
    "found character that cannot start any token": (
        "a line can't be indented by tabs, nor a text begin with '@', '`' or '%'; use spaces or quotes"
    ),
    "found unexpected end of stream": "a quote is never closed",
}
"""What libyaml says → what to do about it."""


def _explain(error: yaml.MarkedYAMLError) -> str:
    problem = _PROBLEMS.get(error.problem or "", error.problem)
    start = error.context_mark
    # libyaml's mark of a context is where the mapping, list or text starts that the problem is in.
    if problem == error.problem or start is None or error.problem_mark is None or start.line == error.problem_mark.line:
        return str(problem)
    return f"{problem} (see line {start.line + 1})"


def _place(content: bytes, position: int) -> str:
    lines = content[:position].decode().split("\n")
    return f":{len(lines)}:{len(lines[-1]) + 1}"


class _Anchored(NamedTuple):
    value: Any
    nodes: int
    height: int


class _Composer:
    """Builds a document from events. Its methods raise `yaml.MarkedYAMLError`."""

    def __init__(self, content: bytes, scalars: set[str]) -> None:
        self._scalars = scalars
        self._events: Iterator[Any] = iter(yaml.parse(content, Loader=_LOADER))
        self._constructor = SafeConstructor()
        self._anchors: dict[str, _Anchored | None] = {}  # None while its value is being composed
        self._nodes = 0
        self._deepest = 0

    def document(self) -> Any:  # noqa: ANN401 - as in compose
        next(self._events)  # start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._value(next(self._events), 0)
        next(self._events)  # end of the document
        if not isinstance(end := next(self._events), yaml.StreamEndEvent):
            raise _fault(end, "a second document starts here; the file must hold one")
        return value

    def _value(self, event: Any, depth: int) -> Any:  # noqa: ANN401
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        if event.anchor is None:
            return self._node(event, depth)
        if event.anchor in self._anchors:
            raise _fault(event, f"the anchor {event.anchor!r:.100} is defined twice")
        self._anchors[event.anchor] = None
        nodes, deepest = self._nodes, self._deepest
        self._deepest = depth
        value = self._node(event, depth)
        self._anchors[event.anchor] = _Anchored(value, self._nodes - nodes, self._deepest - depth)
        self._deepest = max(deepest, self._deepest)
        return value

    def _alias(self, event: Any, depth: int) -> Any:  # noqa: ANN401
        if event.anchor not in self._anchors:
            raise _fault(event, f"the alias {event.anchor!r:.100} has no anchor before it")
        anchored = self._anchors[event.anchor]
        if anchored is None:
            raise _fault(event, f"the alias {event.anchor!r:.100} stands inside the value that it refers to")
        self._count(event, anchored.nodes, depth + anchored.height)
        return anchored.value

    def _node(self, event: Any, depth: int) -> Any:  # noqa: ANN401
        if isinstance(event, yaml.ScalarEvent):
            self._count(event, 1 + len(event.value) // 100, depth)
            return self._scalar(event)
        self._count(event, 1, depth)
        if event.tag not in {None, "!", f"{_TAG}map", f"{_TAG}seq"}:
            raise _unknown_tag(event)
        return self._mapping(depth + 1) if isinstance(event, yaml.MappingStartEvent) else self._sequence(depth + 1)

    def _count(self, event: Any, nodes: int, depth: int) -> None:  # noqa: ANN401
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _fault(event, f"the file has more than {MAX_NODES:,} values and keys, aliases unfolded")
        self._deepest = max(self._deepest, depth)
        if depth > MAX_DEPTH:
            raise _fault(event, f"nested more than {MAX_DEPTH} levels deep, aliases unfolded")

    def _sequence(self, depth: int) -> Items:
        items = Items()
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            value = self._value(event, depth)
            if _is_converted(event, value):
                items.texts[len(items)] = event.value
            items.append(value)
            items.marks.append(event.start_mark)
        return items

    def _mapping(self, depth: int) -> Section:
        mapping, merged = Section(), None
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event)
            value_event = next(self._events)
            if key == "<<" and event.implicit[0]:
                if merged is not None:
                    raise _fault(event, "the key '<<' stands in this mapping for the second time")
                merged = _merged(value_event, self._value(value_event, depth))
                continue
            if key in mapping:
                raise _fault(event, f"the key {key!r:.100} stands in this mapping for the second time")
            mapping[key] = value = self._value(value_event, depth)
            mapping.marks[key] = event.start_mark
            if _is_converted(value_event, value):
                mapping.texts[key] = value_event.value
        for base in merged or ():
            for key, value in base.items():
                if key not in mapping:
                    mapping[key] = value
                    mapping.marks[key] = base.marks[key]
                    if key in base.texts:
                        mapping.texts[key] = base.texts[key]
        return mapping

    def _key(self, event: Any) -> str:  # noqa: ANN401
        if not isinstance(event, yaml.ScalarEvent):
            raise _fault(event, "a key that is not text")
        self._count(event, 1 + len(event.value) // 100, 0)
        if not isinstance(key := self._scalar(event), str):
            raise _fault(event, f"the key {event.value!r} is not text; put it in quotes")
        return key

    def _scalar(self, event: Any) -> Any:  # noqa: ANN401
        text: str = event.value
        tag = event.tag
        if tag is None:
            tag = _implicit_tag(text) if event.implicit[0] else None
        elif tag not in {"!", f"{_TAG}str"} | _SCALARS:
            raise _unknown_tag(event)
        if tag not in self._scalars or len(text) > _LONGEST_NUMBER:
            return text
        try:
            return SafeConstructor.yaml_constructors[tag](self._constructor, yaml.ScalarNode(tag, text))
        except (ArithmeticError, AttributeError, LookupError, ValueError) as error:  # 2026-99-01, !!bool x, !!int ""
            raise _fault(event, f"{text!r} is not a valid {tag.removeprefix(_TAG)}") from error


def _is_converted(event: Any, value: Any) -> bool:  # noqa: ANN401
    """Whether a value is no longer the text that stands in the file."""
    return isinstance(event, yaml.ScalarEvent) and value is not None and not isinstance(value, str)


def _implicit_tag(text: str) -> str | None:
    """The tag of a plain scalar; None for text."""
    for tag, pattern in yaml.SafeLoader.yaml_implicit_resolvers.get(text[:1], ()):
        if pattern.match(text):
            return str(tag)
    return None


def _merged(event: Any, value: Any) -> list[Section]:  # noqa: ANN401
    """The mappings that a merge key names; the first that has a key gives its value."""
    mappings = value if isinstance(value, Items) else [value]
    for mapping in mappings:
        if not isinstance(mapping, Section):
            raise _fault(event, "the key '<<' takes a mapping or a list of mappings")
    return list(mappings)


def _unknown_tag(event: Any) -> yaml.MarkedYAMLError:  # noqa: ANN401
    return _fault(event, f"the tag {event.tag.replace(_TAG, '!!')!r:.100} is not supported")


def _fault(event: Any, fault: str) -> yaml.MarkedYAMLError:  # noqa: ANN401
    return yaml.MarkedYAMLError(None, None, fault, event.start_mark)
