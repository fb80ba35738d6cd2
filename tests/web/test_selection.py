"""A query selects what it says, and a link of the selection selects the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from yarl import URL

from exporter.web.selection import LIMIT, MAX_LIMIT, MAX_PAGE, MAX_TEXT, QueryError, Selection, parse


def test_nothing_asked_for_is_everything() -> None:
    """Empty parameters filter nothing, and unknown ones are ignored."""
    assert parse({}) == parse({"text": " ", "page": "", "limit": "", "other": "x"}) == Selection()
    assert not Selection(page=3, limit=7).filters


@given(
    st.builds(
        Selection,
        text=st.text(st.characters(exclude_categories=["Cs"]), max_size=MAX_TEXT).map(str.strip),
        account=st.from_regex(r"[0-9]{12}", fullmatch=True) | st.just(""),
        region=st.sampled_from(["", "us-east-1"]),
        status=st.sampled_from(["", "Failed"]),
        page=st.integers(1, MAX_PAGE),
        limit=st.integers(1, MAX_LIMIT),
    )
)
def test_a_link_is_what_it_links_to(selection: Selection) -> None:
    """Whatever is selected can be linked."""
    assert parse(MultiDict(URL(selection.link(page=selection.page)).query)) == selection


def test_a_link_to_another_filter_begins_at_page_1() -> None:
    """Page 7 of one filter is not page 7 of another."""
    assert Selection(text="a b", page=7).link(status="Failed") == "?text=a+b&status=Failed"
    assert Selection().link() == "?"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"text": "x" * (MAX_TEXT + 1)}, f"text: must have at most {MAX_TEXT} characters"),
        ({"page": "0"}, f"page: must be a whole number from 1 to {MAX_PAGE}"),
        ({"page": "-1"}, f"page: must be a whole number from 1 to {MAX_PAGE}"),
        ({"page": "1.5"}, f"page: must be a whole number from 1 to {MAX_PAGE}"),
        ({"page": "\N{ARABIC-INDIC DIGIT ONE}"}, f"page: must be a whole number from 1 to {MAX_PAGE}"),
        ({"page": "9" * 5000}, f"page: must be a whole number from 1 to {MAX_PAGE}"),
        ({"limit": str(MAX_LIMIT + 1)}, f"limit: must be a whole number from 1 to {MAX_LIMIT}"),
    ],
)
def test_bad_queries_say_what_is_wanted(query: dict[str, str], message: str) -> None:
    """The parameter and its bounds, without the value."""
    with pytest.raises(QueryError) as error:
        parse(query)
    assert str(error.value) == message
    assert LIMIT <= MAX_LIMIT
