"""boto3 sessions, credentials and clients, and the pages that they read."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import threading
from collections.abc import Callable, Container, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import botocore.session
from botocore.config import Config as BotoConfig
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound
from botocore.loaders import Loader

from exporter import __version__
from exporter.bedrock import lifeline
from exporter.bedrock.errors import walk_error
from exporter.bedrock.wire import WirePage, parse_page
from exporter.model import AssumeRole, AwsSettings, FailureReason, Target, WalkError

PAGE_SIZE = 1000
"""The most that the service gives, and so the fewest calls [model]."""

_log = logging.getLogger(__name__)

OnRequest = Callable[[str], None]
"""Called with the operation's name for every attempt that leaves the machine."""


def default_region(profile: str | None) -> str | None:
    """The region that goes with the default credentials or a profile, if the user's AWS set-up names one.

    ``AWS_REGION`` first, which botocore does not read but EKS, Lambda and the other SDKs use.
    """
    with contextlib.suppress(ProfileNotFound):  # every walk will say so; with regions named, the start must go on
        region: str | None = botocore.session.Session(profile=profile).get_config_variable("region")
        return os.environ.get("AWS_REGION") or region
    return None


class Sessions:
    """Makes the boto3 clients of all targets.

    One session per profile serves every target without a role; a role has a session of its own for its credentials.
    All share one loader, as a session's own copy of the service models costs 10 MB and 180 ms.
    """

    def __init__(self, aws: AwsSettings, on_request: OnRequest = lambda _: None) -> None:
        # botocore's own service models only, not those in ~/.aws/models: `--demo` reads no file of the user.
        self._loader = Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
        self._cores: dict[str | None, botocore.session.Session] = {}
        self._accounts: dict[str | None, str] = {}
        self._sts_clients: dict[tuple[str | None, str, bool], Any] = {}
        self._lock = threading.RLock()  # boto3 sessions are not safe to share between threads, their clients are
        self._on_request = on_request
        self._endpoint_url = aws.endpoint_url
        self._config = BotoConfig(
            connect_timeout=aws.connect_timeout,
            read_timeout=aws.read_timeout,
            # Pinned: the defaults differ between botocore 1.43 and 1.44.
            retries={"mode": "standard", "total_max_attempts": aws.max_attempts},
            # Pinned: AWS_BEARER_TOKEN_BEDROCK would else win over every target's own role.
            signature_version="v4",
            use_fips_endpoint=aws.use_fips,
            tcp_keepalive=True,
            user_agent_extra=f"bedrock-customization-exporter/{__version__}",
        )
        # For what a walk can do without: the time belongs to the list.
        self._brief = self._config.merge(
            BotoConfig(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 1})
        )

    def bedrock(self, target: Target) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        """A client for the target's jobs, with the target's own credentials."""
        with self._lock:
            role = target.assume_role
            core = self._core(target.profile) if role is None else self._role_core(target, role)
            client = self._client(core, "bedrock", target.region, self._config, endpoint_url=self._endpoint_url)
            client.meta.events.register("before-parse", _keep_body)
            return client

    def account_id(self, target: Target) -> str | None:
        """The account of the target's credentials, its role apart, as STS says; None while STS does not answer.

        It needs no permission, but STS may be out of reach where Bedrock is not.
        """
        if target.profile not in self._accounts:
            try:
                self._accounts[target.profile] = self._sts(target, self._brief).get_caller_identity()["Account"]
            except (BotoCoreError, ClientError) as error:
                # The list will say what is wrong, if something is, and its jobs tell the account, too (see `walk`).
                _log.debug("can't ask STS for the account: %s", error)
        return self._accounts.get(target.profile)

    def has_service(self, region: str) -> bool:
        """Whether botocore's list of endpoints has Amazon Bedrock in the region."""
        with self._lock:
            core = self._core(None)
            return any(
                region in core.get_available_regions("bedrock", partition)
                for partition in core.get_available_partitions()
            )

    def _sts(self, target: Target, config: BotoConfig) -> Any:  # noqa: ANN401 - see above
        """A client for STS in the target's region, with the credentials that its role is assumed with; shared."""
        with self._lock:
            key = (target.profile, target.region, config is self._brief)
            if key not in self._sts_clients:
                self._sts_clients[key] = self._client(self._core(target.profile), "sts", target.region, config)
            return self._sts_clients[key]

    def _client(
        self, core: botocore.session.Session, service: str, region: str, config: BotoConfig, **kwargs: str | None
    ) -> Any:  # noqa: ANN401 - see above
        session = boto3.Session(botocore_session=core)
        client = session.client(service, region_name=region, config=config, **kwargs)
        lifeline.attach(client)
        client.meta.events.register("before-send", self._count)
        return client

    def _count(self, event_name: str, **_: object) -> None:
        self._on_request(event_name.rpartition(".")[2])

    def _core(self, profile: str | None) -> botocore.session.Session:
        if profile not in self._cores:
            self._cores[profile] = core = botocore.session.Session(profile=profile)
            core.register_component("data_loader", self._loader)
        return self._cores[profile]

    def _role_core(self, target: Target, role: AssumeRole) -> botocore.session.Session:
        """A session with the role's credentials.

        It is a shallow copy that answers one question differently: a session made from nothing costs 10 ms and half
        of a client's memory for handlers that are the same for all.
        """
        core = copy.copy(self._core(target.profile))
        credentials = role_credentials(self._sts(target, self._config), role)
        core.get_credentials = lambda: credentials
        return core


def role_credentials(sts: Any, role: AssumeRole) -> DeferredRefreshableCredentials:  # noqa: ANN401 - boto3's
    """Credentials of a role that renew themselves ahead of their expiry; AssumeRole itself waits for the first use.

    botocore has no public call for a role that is not written in its configuration file. The renewal (ahead of time,
    one thread at a time, carrying on with the old ones while a renewal fails) is botocore's own.

    Args:
        sts: a client for STS, with the credentials that may assume the role.
        role: which one.
    """
    request = {"RoleArn": role.role_arn, "RoleSessionName": role.session_name}
    if role.external_id is not None:
        request["ExternalId"] = role.external_id

    def assume() -> dict[str, str]:
        credentials = sts.assume_role(**request)["Credentials"]
        return {
            "access_key": credentials["AccessKeyId"],
            "secret_key": credentials["SecretAccessKey"],
            "token": credentials["SessionToken"],
            "expiry_time": credentials["Expiration"].isoformat(),
        }

    return DeferredRefreshableCredentials(refresh_using=assume, method="assume-role")


class TargetClient:
    """Reads one target's job list, one walk at a time.

    Clients are made at the first walk, so that a bad target never stops the start.

    Attributes:
        account_id: as configured, as the role says or as AWS said; None until then.
    """

    def __init__(self, target: Target, sessions: Sessions) -> None:
        self._target = target
        self._sessions = sessions
        self._bedrock: Any = None
        self.account_id = target.account_id

    def pages(self, max_pages: int, now: float, known: Container[int] = frozenset()) -> Iterator[WirePage]:
        """Every page of the list, by creation time ascending: a job that is made meanwhile only adds to the end.

        Args:
            max_pages: more than these is `FailureReason.RUNAWAY_PAGINATION`.
            now: Unix seconds, for a filter that reaches back from now.
            known: fingerprints of pages that need not be decoded.

        Raises:
            WalkError: for whatever goes wrong.
        """
        try:
            if self._bedrock is None:
                self._bedrock = self._sessions.bedrock(self._target)
            if self.account_id is None:
                self.account_id = self._sessions.account_id(self._target)
            yield from self._read(max_pages, now, known)
        except Exception as error:
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> WalkError:
        return walk_error(error, lambda: self._sessions.has_service(self._target.region))

    def _read(self, max_pages: int, now: float, known: Container[int]) -> Iterator[WirePage]:
        request = list_request(self._target, now)
        tokens: set[str] = set()
        for _ in range(max_pages):
            page = parse_page(self._bedrock.list_model_customization_jobs(**request)["body"], known)
            yield page
            if page.next_token is None:
                return
            if page.next_token in tokens:
                raise WalkError(
                    FailureReason.RUNAWAY_PAGINATION,
                    f"the list gave a page token for the second time after {len(tokens)} pages",
                )
            tokens.add(page.next_token)
            request["nextToken"] = page.next_token
        raise WalkError(
            FailureReason.RUNAWAY_PAGINATION, f"the list has more than {max_pages} pages; raise poll.max_pages"
        )

    def close(self) -> None:
        """Let go of the connections."""
        if self._bedrock is not None:
            self._bedrock.close()


def list_request(target: Target, now: float) -> dict[str, Any]:
    """Parameters of ``ListModelCustomizationJobs`` for a target; the token apart."""
    chosen = target.job_filter
    request: dict[str, Any] = {"maxResults": PAGE_SIZE, "sortBy": "CreationTime", "sortOrder": "Ascending"}
    if chosen.name_contains is not None:
        request["nameContains"] = chosen.name_contains
    after = now - chosen.created_within if chosen.created_within is not None else chosen.created_after
    if after is not None:
        request["creationTimeAfter"] = datetime.fromtimestamp(after, UTC)
    return request


def _keep_body(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Take a good answer's body past botocore's parser.

    Parsed its way, one bad timestamp fails the whole page, a body without the list looks like an empty list, and a job
    costs 605 µs instead of 5.
    """
    if response_dict["status_code"] < 300:
        customized_response_dict["body"] = response_dict["body"]
        response_dict["body"] = b"{}"
