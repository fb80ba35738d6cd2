"""The pages of one target's list."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from exporter.bedrock.clients import Clients, SignedClient
from exporter.bedrock.credentials import answer_of
from exporter.bedrock.descriptions import in_force
from exporter.bedrock.errors import walk_error
from exporter.bedrock.regions import is_endpoint_of, lacks_bedrock
from exporter.bedrock.wire import JobPage, read_page
from exporter.errors import FailureReason, WalkError
from exporter.targets.target import Target

PAGE_SIZE = 1000
"""The most that the service allows, and so the fewest calls [model]."""


class TargetReader:
    """Reads one target's list, one walk at a time. Creating one is cheap and never fails."""

    def __init__(self, target: Target, clients: Clients) -> None:
        self._target = target
        self._access = clients.access(target)
        self._was_read = False

    @property
    def account_id(self) -> str | None:
        """The target's account: as configured, or from STS; None until known."""
        return self._target.account_id or (None if self._target.assume_role else self._access.account_id)

    def pages(self, max_pages: int, now: float) -> Iterator[JobPage]:
        """Every page of the list, oldest job first, so that jobs created during the walk come last.

        Args:
            max_pages: more pages are `FailureReason.RUNAWAY_PAGINATION`.
            now: Unix seconds, for a filter relative to now.

        Raises:
            WalkError: for any failure. Its cause is AWS's refusal or a `NoCredentialsError`, otherwise None.
            Exception: a bug of ours, unchanged.
        """
        bedrock: SignedClient | None = None
        try:
            bedrock = self._access.bedrock()
            if self.account_id is None and self._target.assume_role is None:
                self._access.ask_account_id()
            yield from self._read(bedrock, max_pages, now)
        except Exception as error:
            endpoint = bedrock.meta.endpoint_url if bedrock is not None else ""
            explained = self._explain(error, urlsplit(endpoint).hostname or "")
            if explained.reason is FailureReason.INTERNAL and not isinstance(error, ClientError):
                raise
            self._access.recover(explained.reason)
            raise explained from answer_of(error)

    def _read(self, bedrock: SignedClient, max_pages: int, now: float) -> Iterator[JobPage]:
        request = list_request(self._target, now)
        tokens: set[str] = set()
        for _ in range(max_pages):
            page = read_page(_body(bedrock.list_model_customization_jobs(**request)))
            if (account_id := next(filter(None, (job.account_id for job in page.jobs)), None)) is not None:
                self._access.learn(account_id)
            yield page
            token = page.next_token
            del page  # else the traceback of a failed request keeps it alive
            if token is None:
                self._was_read = True
                return
            if token in tokens:
                message = f"the list repeated a page token after {len(tokens)} pages"
                raise WalkError(FailureReason.RUNAWAY_PAGINATION, message)
            tokens.add(token)
            request["nextToken"] = token
        message = f"the list has more than {max_pages} pages; raise poll.max_pages"
        raise WalkError(FailureReason.RUNAWAY_PAGINATION, message)

    def _explain(self, error: Exception, host: str) -> WalkError:
        """The reason of an exception. No alert fires for `unsupported_region`, so it must be certain.

        AWS's own endpoint of a known region must say so. If that endpoint has listed jobs before, it is an outage. Any
        other endpoint may belong to another service.
        """
        region = self._target.region
        may_lack = not self._was_read and is_endpoint_of(region, host)
        explained = walk_error(error, lambda: may_lack and lacks_bedrock(region))
        if explained.reason is not FailureReason.UNSUPPORTED_REGION or may_lack:
            return explained
        advice = (
            "it did before, so wait, and see the AWS Health Dashboard"
            if self._was_read
            else in_force("is it bedrock-runtime's? check aws.endpoint_url and the region")
        )
        message = f"the endpoint {host} does not know ListModelCustomizationJobs; {advice}"
        return WalkError(FailureReason.MALFORMED_RESPONSE, message)


def list_request(target: Target, now: float) -> dict[str, Any]:
    """Parameters of ``ListModelCustomizationJobs`` for a target, without the token."""
    chosen = target.job_filter
    request: dict[str, Any] = {"maxResults": PAGE_SIZE, "sortBy": "CreationTime", "sortOrder": "Ascending"}
    if chosen.name_contains is not None:
        request["nameContains"] = chosen.name_contains
    after = now - chosen.created_within if chosen.created_within is not None else chosen.created_after
    if after is not None:
        request["creationTimeAfter"] = datetime.fromtimestamp(after, UTC)
    return request


def _body(answer: dict[str, Any]) -> bytes:
    """The body of an answer with status 200; raises for any other status."""
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    if status != 200:
        message = (
            f"ListModelCustomizationJobs answered with status {status}; is a proxy or a wrong endpoint in between?"
        )
        raise WalkError(FailureReason.MALFORMED_RESPONSE, message)
    body: bytes = answer["body"]
    return body
