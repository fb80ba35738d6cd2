"""boto3 sessions, credentials and clients, and the pages that they read."""

from __future__ import annotations

import copy
import json
import logging
import os
import threading
from collections.abc import Callable, Container, Iterator
from datetime import UTC, datetime
from typing import Any, cast

import boto3
import botocore.session
from botocore.config import Config as BotoConfig
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.loaders import Loader

from exporter import NAME, __version__
from exporter.bedrock import lifeline
from exporter.bedrock.errors import walk_error
from exporter.bedrock.wire import WirePage, parse_page
from exporter.model import AssumeRole, AwsSettings, FailureReason, Target, WalkError

PAGE_SIZE = 1000
"""The most that the service gives, and so the fewest calls [model]."""

_log = logging.getLogger(__name__)

_BEARER_TOKEN = "AWS_BEARER_TOKEN_BEDROCK"  # noqa: S105 - the name of the variable

OnRequest = Callable[[str], None]
"""Called with the operation's name for every attempt that leaves the machine."""


def default_region(profile: str | None) -> str | None:
    """The region that goes with the default credentials or a profile, if the user's AWS set-up names one.

    ``AWS_REGION`` first, which botocore does not read but EKS, Lambda and the other SDKs use.

    Raises:
        ValueError: the AWS configuration can't be read, or has no such profile.
    """
    if os.environ.get("AWS_REGION"):
        return os.environ["AWS_REGION"]
    try:
        region: str | None = botocore.session.Session(profile=profile).get_config_variable("region")
    except BotoCoreError as error:
        raise ValueError(str(error)) from error
    return region


def known_regions() -> frozenset[str]:
    """The names of the regions of every partition of AWS, as far as the installed botocore knows them."""
    partitions = Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False).load_data("partitions")
    return frozenset(
        region
        for partition in partitions["partitions"]
        for region in partition["regions"]
        if not region.endswith("-global")  # the partition itself
    )


class Sessions:
    """Makes the boto3 clients of all targets.

    Targets without a role share the session of their profile; a role has one of its own, for its credentials. All share
    one loader, as a session's own copy of the service models costs 10 MB and 180 ms.

    Safe to use from several threads; where a profile's credentials take long to be had, only its targets wait.
    """

    def __init__(self, aws: AwsSettings, on_request: OnRequest = lambda _: None) -> None:
        self._loader = _Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
        self._profiles: dict[str | None, _Profile] = {}
        self._lock = threading.Lock()  # for the dictionary only: nothing that can take long is done under it
        self._on_request = on_request
        self._endpoint_url = aws.endpoint_url
        self._config = BotoConfig(
            connect_timeout=aws.connect_timeout,
            read_timeout=aws.read_timeout,
            # Pinned: the defaults differ between botocore 1.43 and 1.44.
            retries={"mode": "standard", "total_max_attempts": aws.max_attempts},
            # Pinned: AWS_BEARER_TOKEN_BEDROCK would else win over every target's own role; see `bedrock`.
            signature_version="v4",
            use_fips_endpoint=aws.use_fips,
            tcp_keepalive=True,
            user_agent_extra=f"{NAME}/{__version__}",
        )
        self._bearer = self._config.merge(BotoConfig(signature_version="bearer"))
        self._told_of_bearer_token = False
        # For what a walk can do without: the time belongs to the list.
        self._brief = self._config.merge(
            BotoConfig(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 1})
        )

    def bedrock(self, target: Target) -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
        """A client for the target's jobs. A role is assumed at its first request.

        Raises:
            WalkError: something is wrong with what the credentials come from.
            BotoCoreError: the same in botocore's words; `NoCredentialsError` where there are none.
        """
        try:
            client = self._client_in_role("bedrock", target, endpoint_url=self._endpoint_url)
        except NoCredentialsError:
            if target.assume_role is not None or target.profile is not None or not os.environ.get(_BEARER_TOKEN):
                raise
            client = self._client(self._session(None), "bedrock", target, self._bearer, endpoint_url=self._endpoint_url)
            if not self._told_of_bearer_token:
                self._told_of_bearer_token = True
                _log.info(
                    "there are no other AWS credentials; using the API key for Amazon Bedrock in " + _BEARER_TOKEN
                )
        client.meta.events.register("before-parse", _keep_body)
        return client

    def organizations(self, target: Target) -> Any:  # noqa: ANN401 - see above
        """A client for AWS Organizations with a target's credentials, in its partition; raises what `bedrock` does."""
        return self._client_in_role("organizations", target)

    def sts(self, target: Target) -> Any:  # noqa: ANN401 - see above
        """A client for AWS STS with a target's credentials; raises what `bedrock` does."""
        return self._client_in_role("sts", target)

    def account_id(self, target: Target) -> str | None:
        """The account of the target's credentials, its role apart, as STS says; None while STS does not answer.

        It needs no permission, but STS may be out of reach where Bedrock is not.
        """
        profile = self._profile(target)
        if profile.account_id is None:
            try:
                with profile.lock:
                    sts = self._sts(profile, target, self._brief)
                profile.account_id = sts.get_caller_identity()["Account"]
            except WalkError:  # cut off
                raise
            except Exception as error:  # noqa: BLE001 - anything may answer in its place, such as a proxy
                # The list will say what is wrong, if something is, and its jobs tell the account, too (see `walk`).
                _log.debug("can't ask STS for the account: %s", error)
        return profile.account_id

    def forget(self, target: Target) -> None:
        """Have the target's profile read anew; the clients of other targets stay as they are."""
        with self._lock:
            profile = self._profiles.pop(target.profile, None)
        for sts in list(profile.sts.values()) if profile else ():
            sts.close()  # its idle connections; roles that still renew through it make new ones

    def lacks_service(self, region: str) -> bool:
        """Whether botocore knows the region, and of no Amazon Bedrock there."""
        session = self._session(None)
        return region in known_regions() and not any(
            region in session.get_available_regions("bedrock", partition)
            for partition in session.get_available_partitions()
        )

    def _profile(self, target: Target) -> _Profile:
        with self._lock:
            return self._profiles.setdefault(target.profile, _Profile(target.profile, target.region))

    def _session(self, profile: str | None, region: str | None = None) -> botocore.session.Session:
        """A session.

        Args:
            profile: of the AWS configuration; None for the default credentials.
            region: where providers of credentials find STS, if the AWS configuration does not say.
        """
        session = botocore.session.Session(profile=profile)
        if region is not None and session.get_config_variable("region") is None:
            session.set_config_variable("region", region)
        session.register_component("data_loader", self._loader)
        # Pinned: the global endpoint, which an old set-up may still ask for, is in one region that can fail for all.
        session.set_config_variable("sts_regional_endpoints", "regional")
        session.set_default_client_config(self._config)  # for the clients that providers of credentials make
        return session

    def _open(self, profile: _Profile) -> botocore.session.Session:
        """The session of a profile, which has credentials.

        One that has none is not kept: botocore reads its files once, and a client made without credentials never gets
        any, so that the exporter would have to be restarted when there are some.
        """
        if profile.session is None:
            session = self._session(profile.name, profile.region)
            if session.get_credentials() is None:
                raise NoCredentialsError
            profile.session = session
        return profile.session

    def _sts(self, profile: _Profile, target: Target, config: BotoConfig) -> Any:  # noqa: ANN401 - see above
        """A client for STS in the target's region, with the profile's credentials; shared by its targets there."""
        key = (target.region, config is self._brief)
        if key not in profile.sts:
            profile.sts[key] = self._client(self._open(profile), "sts", target, config)
        return profile.sts[key]

    def _client_in_role(self, service: str, target: Target, **kwargs: str | None) -> Any:  # noqa: ANN401 - see above
        profile = self._profile(target)
        with profile.lock:
            try:
                session = self._open(profile)
                if target.assume_role is not None:
                    sts = self._sts(profile, target, self._config)
                    session = _with_role(session, target.assume_role, sts)
                return self._client(session, service, target, self._config, **kwargs)
            except Exception as error:  # providers of credentials raise what they like, mostly OSError and ValueError
                raise _bad_credentials(error) from error

    def _client(
        self, core: botocore.session.Session, service: str, target: Target, config: BotoConfig, **kwargs: str | None
    ) -> Any:  # noqa: ANN401 - see above
        session = boto3.Session(botocore_session=core)
        client = session.client(service, region_name=target.region, config=config, **kwargs)
        lifeline.attach(client)
        client.meta.events.register("before-send", self._count)
        return client

    def _count(self, event_name: str, **_: object) -> None:
        self._on_request(event_name.rpartition(".")[2])


class _Loader(Loader):
    """botocore's own service models only, not those in ~/.aws/models: `--demo` reads no file of the user."""

    @property
    def search_paths(self) -> list[str]:
        """A copy: each boto3 session adds a path, which would go on for as long as the exporter runs."""
        return list(self._search_paths)


class _Profile:
    """What the targets of one profile (None: the default credentials) share. Its lock guards session and clients."""

    def __init__(self, name: str | None, region: str) -> None:
        self.name = name
        self.region = region  # of its first target
        self.lock = threading.Lock()  # boto3 sessions are not safe to share between threads, their clients are
        self.session: botocore.session.Session | None = None
        self.account_id: str | None = None
        self.sts: dict[tuple[str, bool], Any] = {}


def _with_role(session: botocore.session.Session, role: AssumeRole, sts: Any) -> botocore.session.Session:  # noqa: ANN401
    """The session with a role's credentials in the place of its own.

    It is a shallow copy that answers one question differently: one made from nothing costs more than its client does,
    for handlers that are the same for all.
    """
    credentials = role_credentials(sts, role)
    session = copy.copy(session)
    session.get_credentials = lambda: credentials
    return session


def _bad_credentials(error: Exception) -> Exception:
    if isinstance(error, BotoCoreError):
        return cast(Exception, error)
    return WalkError(
        FailureReason.CREDENTIALS,
        f"the AWS client can't be set up: {error!r}; check the AWS configuration, its variables and its files",
    )


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
        try:
            credentials = sts.assume_role(**request)["Credentials"]
            return {
                "access_key": credentials["AccessKeyId"],
                "secret_key": credentials["SecretAccessKey"],
                "token": credentials["SessionToken"],
                "expiry_time": credentials["Expiration"].isoformat(),
            }
        except KeyError as error:  # botocore makes much of any XML
            message = f"AssumeRole answered without {error}; is a proxy or a wrong endpoint in between?"
            raise WalkError(FailureReason.MALFORMED_RESPONSE, message) from error

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
        self._was_read = False
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
            explained = self._explain(error)
            if explained.reason is FailureReason.CREDENTIALS:
                self._start_anew()
            raise explained from error

    def _start_anew(self) -> None:
        """Read credentials again at the next walk: somebody may write new ones into a file that botocore reads once."""
        self.close()
        self._bedrock = None
        self._sessions.forget(self._target)

    def _explain(self, error: Exception) -> WalkError:
        return walk_error(error, self._lacks_service)

    def _lacks_service(self) -> bool:
        """Whether the endpoint is AWS's own, in a region without Bedrock as far as anybody knows."""
        if self._bedrock is None or self._was_read:  # a provider of credentials has met something that is not there
            return False
        region = self._target.region
        return f".{region}." in self._bedrock.meta.endpoint_url and self._sessions.lacks_service(region)

    def _read(self, max_pages: int, now: float, known: Container[int]) -> Iterator[WirePage]:
        request = list_request(self._target, now)
        tokens: set[str] = set()
        for _ in range(max_pages):
            page = parse_page(self._bedrock.list_model_customization_jobs(**request)["body"], known)
            yield page
            if page.next_token is None:
                self._was_read = True
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
    costs many times what it has to (docs/performance.md).
    """
    if response_dict["status_code"] < 300:
        customized_response_dict["body"] = response_dict["body"]
        response_dict["body"] = b"{}"
    else:
        response_dict["body"] = _plain_error(response_dict["body"])


def _plain_error(body: bytes) -> bytes:
    """An error's body with only what botocore's parser looks for, and that as text.

    It stumbles over JSON that is no object, a code that is a number, or a proxy's page that is not UTF-8: the status,
    which says what is wrong, would be lost, and no further attempt made.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = {"message": body[:_LONGEST_MESSAGE].decode(errors="replace")}
    told = answer.items() if isinstance(answer, dict) else ()
    return json.dumps(
        {
            name: text[:_LONGEST_MESSAGE]
            for name, text in told
            if name in {"message", "Message", "code", "Code", "__type"} and isinstance(text, str)
        }
    ).encode()


_LONGEST_MESSAGE = 500
