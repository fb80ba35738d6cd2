"""YAML → a document of plain values that remember their place in the file.

Composes the document from libyaml's events, so that limits apply before anything is built, and nothing recurses deeper
than `MAX_DEPTH`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import yaml
from yaml.constructor import SafeConstructor
from yaml.reader import ReaderError

from exporter.config.config import ConfigError

MAX_NODES = 250_000
"""The most values and keys in a file, with aliases expanded; a text counts once more for every 100 characters. 10,000
targets with a role, an external id, labels and regions have 140,000."""

MAX_DEPTH = 20
"""The most levels of nesting, with aliases expanded. The deepest key of the schema is on level 6."""

_LONGEST_NUMBER = 100
"""The most characters of a number, date or boolean. Longer values stay text: converting them could take minutes."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML can be built without libyaml, which is 8 times faster
_TAG = "tag:yaml.org,2002:"
_SCALARS = {f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "timestamp")}


class Mark(Protocol):
    """A position in the file, counted from 0."""

    index: int
    line: int
    column: int


class Section(dict[str, Any]):
    """A mapping of the file.

    Attributes:
        marks: the position of each key.
        texts: its numbers, times and booleans as written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.marks: dict[str, Mark] = {}
        self.texts: dict[str, str] = {}


class Items(list[Any]):
    """A list of the file; same attributes as `Section`."""

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[Mark] = []
        self.texts: dict[int, str] = {}


def compose(content: bytes, file: str, *, typed: bool = True) -> Any:  # noqa: ANN401 - whatever the file holds
    """The document in a file: a scalar, a `Section` or an `Items`; None if it is empty.

    YAML 1.1 as PyYAML's safe loader reads it, with anchors and merge keys. But keys must be text and unique, and only
    the tags of scalars are allowed.

    Args:
        content: the file's content.
        file: its name, for messages.
        typed: whether a plain scalar may be a number, boolean or time; if not, it is null or the text as written.

    Raises:
        ConfigError: it is not UTF-8, not such YAML, or exceeds a limit. Names the line and column.
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


_INDENT = "the indentation matches none of the lines above; start the line in the same column as its neighbours"

_PROBLEMS = {
    "mapping values are not allowed in this context": (
        "a key is not allowed here; indent it like its neighbours, or quote a text that contains ': '"
    ),
    "did not find expected key": _INDENT,
    "did not find expected '-' indicator": _INDENT,
    "did not find expected ',' or ']'": "a ',' or the ']' of this list is missing",
    "did not find expected ',' or '}'": "a ',' or the '}' of this mapping is missing",
    "could not find expected ':'": "the ':' after a key is missing",
    "block sequence entries are not allowed in this context": "a '- ' is not allowed here; start it on its own line",
    "found character that cannot start any token": (
        "a tab, or a text that starts with '@', '`' or '%'; indent with spaces, and quote such a text"
    ),
    "found unexpected end of stream": "a quote is not closed",
}
"""What libyaml says → what to do about it."""


def _explain(error: yaml.MarkedYAMLError) -> str:
    problem = _PROBLEMS.get(error.problem or "", error.problem)
    start = error.context_mark
    # libyaml's context mark is where the mapping, list or text with the problem starts.
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
            raise _fault(event, f"the alias {event.anchor!r:.100} is inside the value that it refers to")
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
            raise _fault(event, f"the file has more than {MAX_NODES:,} values and keys, with aliases expanded")
        self._deepest = max(self._deepest, depth)
        if depth > MAX_DEPTH:
            raise _fault(event, f"nested more than {MAX_DEPTH} levels deep, with aliases expanded")

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
                    raise _fault(event, "the key '<<' is in this mapping twice")
                merged = _merged(value_event, self._value(value_event, depth))
                continue
            if key in mapping:
                raise _fault(event, f"the key {key!r:.100} is in this mapping twice")
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
    """Whether a value differs from its text in the file."""
    return isinstance(event, yaml.ScalarEvent) and value is not None and not isinstance(value, str)


def _implicit_tag(text: str) -> str | None:
    """The tag of a plain scalar; None for text."""
    for tag, pattern in yaml.SafeLoader.yaml_implicit_resolvers.get(text[:1], ()):
        if pattern.match(text):
            return str(tag)
    return None


def _merged(event: Any, value: Any) -> list[Section]:  # noqa: ANN401
    """The mappings that a merge key names; for each key, the first mapping that has it counts."""
    mappings = value if isinstance(value, Items) else [value]
    for mapping in mappings:
        if not isinstance(mapping, Section):
            raise _fault(event, "the key '<<' takes a mapping or a list of mappings")
    return list(mappings)


def _unknown_tag(event: Any) -> yaml.MarkedYAMLError:  # noqa: ANN401
    return _fault(event, f"the tag {event.tag.replace(_TAG, '!!')!r:.100} is not supported")


def _fault(event: Any, fault: str) -> yaml.MarkedYAMLError:  # noqa: ANN401
    return yaml.MarkedYAMLError(None, None, fault, event.start_mark)
