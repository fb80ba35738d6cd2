"""YAML becomes plain values, or a fault with its line and column, whatever it holds."""

import contextlib
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.config import ConfigError
from exporter.config.document import MAX_DEPTH, MAX_NODES, compose


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing", None),
        ("---\n...\n", None),
        ("\ufeffa", "a"),
        ("[~, null, '', Null]", [None, None, "", None]),
        ("[yes, Off, true, 'true', y]", [True, False, True, "true", "y"]),
        ("[7, -0x1F, 0b11, 017, 1_000, 1:30, 08]", [7, -31, 3, 15, 1000, 90, "08"]),
        ("[1.5, .5, 1e3, -.inf]", [1.5, 0.5, "1e3", float("-inf")]),
        ("[2026-01-01, 2026-01-01 01:02:03]", [date(2026, 1, 1), datetime(2026, 1, 1, 1, 2, 3)]),  # noqa: DTZ001
        ("2026-01-01T01:02:03+01:00", datetime(2026, 1, 1, 0, 2, 3, tzinfo=UTC)),
        ("[!!str 7, ! 7, !!int '7', !!bool 'on']", ["7", "7", 7, True]),
        ("[9" + "0" * 100 + "]", ["9" + "0" * 100]),
        ("[<<, =]", ["<<", "="]),
        ("{'<<': 1, =: 2, ? a : b}", {"<<": 1, "=": 2, "a": "b"}),
        ("!!map {a: !!seq [b]}", {"a": ["b"]}),
        ("[&a x, *a, &b {c: *a}, *b]", ["x", "x", {"c": "x"}, {"c": "x"}]),
        ("a: &a {k: 1, l: 1}\nb: {<<: *a, k: 2}", {"a": {"k": 1, "l": 1}, "b": {"k": 2, "l": 1}}),
        ("{<<: [{k: 1}, {k: 2, l: 2}], m: 3}", {"k": 1, "l": 2, "m": 3}),
    ],
    ids=repr,
)
def test_yaml_becomes_plain_values(text: str, value: Any) -> None:
    """As PyYAML's safe loader reads YAML 1.1; what is too long for a number is text."""
    assert compose(text.encode(), "f") == value


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
LADDER = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 60))
TOO_MANY = "the file has more than 250,000 values and keys, with aliases expanded"
TOO_DEEP = "nested more than 20 levels deep, with aliases expanded"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("a: [", "2:1: did not find expected node content", id="end"),
        pytest.param(
            "\tpoll:",
            "1:1: a tab, or a text that starts with '@', '`' or '%'; indent with spaces, and quote such a text",
            id="tab",
        ),
        pytest.param("poll: é\n  \x01", "2:3: the character '\\x01' is not allowed in YAML", id="control"),
        pytest.param("\x00", "1:1: the character '\\x00' is not allowed in YAML", id="nul"),
        pytest.param(b"a: b\nc: \xe9", "2:4: is not UTF-8 text (unexpected end of data); save it as UTF-8", id="latin"),
        pytest.param("a".encode("utf-16"), "1:1: is not UTF-8 text (invalid start byte); save it as UTF-8", id="utf16"),
        pytest.param('"\\ud800"', "1:4: found invalid Unicode character escape code", id="surrogate"),
        pytest.param("--- 1\n--- 2", "2:1: a second document starts here; the file must hold one", id="two-documents"),
        pytest.param("%YAML 9.1\n---\na: b", "1:1: found incompatible YAML document", id="version"),
        pytest.param("poll: *there", "1:7: the alias 'there' has no anchor before it", id="undefined-alias"),
        pytest.param("[&a x, &a y]", "1:8: the anchor 'a' is defined twice", id="anchor-twice"),
        pytest.param("? [a]\n: b", "1:3: a key that is not text", id="list-as-key"),
        pytest.param("? {a: b}\n: b", "1:3: a key that is not text", id="mapping-as-key"),
        pytest.param("{&a a: b, *a : c}", "1:11: a key that is not text", id="alias-as-key"),
        pytest.param("1: 2", "1:1: the key '1' is not text; put it in quotes", id="number-as-key"),
        pytest.param("~: 2", "1:1: the key '~' is not text; put it in quotes", id="null-as-key"),
        pytest.param("on: 2", "1:1: the key 'on' is not text; put it in quotes", id="boolean-as-key"),
        pytest.param("2026-01-01: x", "1:1: the key '2026-01-01' is not text; put it in quotes", id="date-as-key"),
        pytest.param("{a: 1, a: 2}", "1:8: the key 'a' is in this mapping twice", id="key-twice"),
        pytest.param("{<<: {}, <<: {}}", "1:10: the key '<<' is in this mapping twice", id="merges"),
        pytest.param("<<: 3", "1:5: the key '<<' takes a mapping or a list of mappings", id="merge"),
        pytest.param("<<: [{}, 1]", "1:5: the key '<<' takes a mapping or a list of mappings", id="merge-list"),
        pytest.param(
            "!!python/object:os.system {}", "1:1: the tag '!!python/object:os.system' is not supported", id="python"
        ),
        pytest.param("!!binary aGk=", "1:1: the tag '!!binary' is not supported", id="binary"),
        pytest.param("poll: !mine x", "1:7: the tag '!mine' is not supported", id="own-tag"),
        pytest.param("!!set {a}", "1:1: the tag '!!set' is not supported", id="set"),
        pytest.param("a: 2026-99-01", "1:4: '2026-99-01' is not a valid timestamp", id="no-such-month"),
        pytest.param("a: !!timestamp x", "1:4: 'x' is not a valid timestamp", id="timestamp"),
        pytest.param("a: !!bool x", "1:4: 'x' is not a valid bool", id="bool"),
        pytest.param("a: !!int ''", "1:4: '' is not a valid int", id="int"),
        pytest.param("a: !!float x", "1:4: 'x' is not a valid float", id="float"),
        pytest.param("a: &me [*me]", "1:9: the alias 'me' is inside the value that it refers to", id="loop"),
        pytest.param("&me {<<: *me}", "1:10: the alias 'me' is inside the value that it refers to", id="merge-loop"),
        pytest.param(BOMB, f"6:14: {TOO_MANY}", id="billion-laughs"),
        pytest.param(f"[&a {'x' * 3_000_000}{', *a' * 100}]", f"1:3000035: {TOO_MANY}", id="long-text-repeated"),
        pytest.param(
            f"[&a {{? {'x' * 3_000_000} : x}}{', *a' * 100}]", f"1:3000043: {TOO_MANY}", id="long-key-repeated"
        ),
        pytest.param("".join(f"k{n}: x\n" for n in range(MAX_NODES // 2)), f"125000:10: {TOO_MANY}", id="many-keys"),
        pytest.param("- a\n" * MAX_NODES, f"{MAX_NODES}:3: {TOO_MANY}", id="many"),
        pytest.param("[" * 900 + "]" * 900, f"1:{MAX_DEPTH + 2}: {TOO_DEEP}", id="deep"),
        pytest.param("[" * 4_000_000, "1:1001: exceeded maximum nesting depth", id="endless"),
        pytest.param("- " * 2_000_000, f"1:{2 * MAX_DEPTH + 3}: {TOO_DEEP}", id="deep-block"),
        pytest.param(LADDER, f"{MAX_DEPTH}:12: {TOO_DEEP}", id="deep-by-aliases"),
    ],
)
def test_what_a_configuration_cannot_be_is_a_fault_with_its_place(text: str | bytes, fault: str) -> None:
    """One line with line and column, at once: bombs are refused before they are unfolded."""
    with pytest.raises(ConfigError) as caught:
        compose(text.encode() if isinstance(text, str) else text, "f")

    assert caught.value.faults == [f"f:{fault}"]


def test_the_limits_themselves_are_good() -> None:
    """As many nodes and levels as are allowed."""
    assert len(compose(b"- a\n" * (MAX_NODES - 1), "f")) == MAX_NODES - 1
    assert compose(b"[" * MAX_DEPTH + b"x" + b"]" * MAX_DEPTH, "f")


def test_a_file_that_never_ends_is_refused_on_the_way() -> None:
    """Numbers that would take minutes to convert, and the rest of 4 MiB of one kind."""
    for piece in (
        "1:",
        "a,",
        "&a ",
        "*a ",
        "{",
        "'",
        '"',
        "|\n",
        "? ",
        ": ",
        "---\n",
        "- - ",
        "!a ",
        "%",
        "#",
        "\n",
        "\\",
    ):
        for text in (piece * (4 * 1024**2 // len(piece)), "[" + piece * (4 * 1024**2 // len(piece))):
            with contextlib.suppress(ConfigError):
                compose(text.encode(), "f")


@given(st.binary(max_size=30) | st.text("a:-[]{}&*<>!?|'\"#%@ \n\t1~", max_size=30).map(str.encode))
def test_any_bytes_are_a_document_or_one_fault(content: bytes) -> None:
    """Nothing else escapes."""
    try:
        compose(content, "f")
    except ConfigError as error:
        [fault] = error.faults
        assert fault.startswith("f:")
        assert len(fault.splitlines()) == 1
