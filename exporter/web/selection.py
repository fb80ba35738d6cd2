"""Which jobs and targets a request selects: the query of a URL → a frozen selection. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from msgspec import Struct, structs

MAX_TEXT = 256
"""The most characters of a filter: as many as the longest job name has."""

MAX_PAGE = 1_000_000

LIMIT, MAX_LIMIT = 50, 500
"""Jobs per page: the default, and the most."""

KEYS = ("text", "account", "region", "status")
"""What jobs can be filtered by. All must match."""


class QueryError(ValueError):
    """A query can't be used; the message names the parameter and what it must be, without the value."""


class Selection(Struct, frozen=True):
    """A filter, and a page of its matches.

    Attributes:
        text: part of a job's name, id, base model, custom model or type, or of a target's labels; any case.
        account: account id.
        region: AWS region name.
        status: status of a job.
        page: from 1.
        limit: jobs of one page.
    """

    text: str = ""
    account: str = ""
    region: str = ""
    status: str = ""
    page: int = 1
    limit: int = LIMIT

    @property
    def filters(self) -> bool:
        """Whether any filter is set."""
        return any((self.text, self.account, self.region, self.status))

    def link(self, **changes: str | int) -> str:
        """The relative URL of this selection with some values changed; on page 1 unless given."""
        other = structs.replace(self, **{"page": 1, **changes})
        query: dict[str, str | int] = {key: value for key in KEYS if (value := getattr(other, key))}
        query |= {"page": other.page} if other.page > 1 else {}
        query |= {"limit": other.limit} if other.limit != LIMIT else {}
        return "?" + urlencode(query, errors="replace")


def parse(query: Mapping[str, str]) -> Selection:
    """Read the parameters of a URL; empty values are no filter, and unknown parameters are ignored.

    Raises:
        QueryError: a value is too long, or the page or the limit is not a number within its bounds.
    """
    values = {key: query.get(key, "").strip() for key in KEYS}
    for key, value in values.items():
        if len(value) > MAX_TEXT:
            raise QueryError(f"{key}: must have at most {MAX_TEXT} characters")
    return Selection(
        **values, page=_number(query, "page", 1, MAX_PAGE), limit=_number(query, "limit", LIMIT, MAX_LIMIT)
    )


def _number(query: Mapping[str, str], key: str, default: int, greatest: int) -> int:
    text = query.get(key, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 7 and 1 <= int(text) <= greatest):
        raise QueryError(f"{key}: must be a whole number from 1 to {greatest}")
    return int(text)
