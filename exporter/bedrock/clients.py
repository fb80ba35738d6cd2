"""The boto3 clients that all targets share: one per profile, service, region and way of signing."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config as BotoConfig
from botocore.credentials import CredentialResolver, DeferredRefreshableCredentials
from botocore.exceptions import ClientError, NoCredentialsError

from exporter import NAME, __version__, work
from exporter.bedrock import bodies, sources
from exporter.bedrock.attempts import attempt
from exporter.bedrock.credentials import Signer, bad_credentials, refuse_unsendable, role_credentials, sign
from exporter.bedrock.errors import reason_of
from exporter.bedrock.regions import loader
from exporter.bedrock.settings import AwsSettings
from exporter.errors import FailureReason, WalkError
from exporter.targets.target import Target

_log = logging.getLogger(__name__)

API_KEY = "AWS_BEARER_TOKEN_BEDROCK"
"""The variable of an API key for Amazon Bedrock."""

IDENTITY_TIMEOUT = 3.0
"""Timeout in seconds for asking STS for the account, which a walk can do without."""

IDENTITY_PAUSE = 300.0
"""Seconds until STS is asked again."""

OnRequest = Callable[[str], None]
"""Called with the operation's name for every attempt that leaves the machine."""

OnFailure = Callable[[str, FailureReason], None]
"""Called with the operation's name and the reason for every failed attempt, even if a retry succeeds."""


class SignedClient:
    """A shared boto3 client with the credentials of one walk. Has the same operations, and retries them.

    Operations raise what boto3's do, and `WalkError` if the answer is too large or too late.
    """

    def __init__(self, client: Any, signer: Signer | None, attempts: int) -> None:  # noqa: ANN401 - boto3 makes its classes at run time
        self._client = client
        self._signer = signer
        self._attempts = attempts

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - see above
        member = getattr(self._client, name)
        return functools.partial(self._call, member) if name in self._client.meta.method_to_api_mapping else member

    def _call(self, operation: Callable[..., Any], **request: object) -> Any:  # noqa: ANN401 - see above
        with self._signer.signing() if self._signer else contextlib.nullcontext():
            return attempt(lambda: operation(**request), self._attempts)


class Clients:
    """Gives targets access to AWS. Safe to use from several threads.

    Args:
        aws: how to talk to AWS.
        concurrency: walks at a time; each client keeps that many connections.
        on_request: called for every request.
        on_failure: called for every failed request.
        keep_alive: whether connections stay open for the next request.
    """

    def __init__(
        self,
        aws: AwsSettings,
        concurrency: int,
        on_request: OnRequest = lambda _: None,
        on_failure: OnFailure = lambda _, __: None,
        *,
        keep_alive: bool = True,
    ) -> None:
        self._attempts = aws.max_attempts
        self._profiles: dict[str | None, _Profile] = {}
        self._lock = threading.Lock()
        self._new_profile = functools.partial(
            _Profile,
            aws=aws,
            concurrency=concurrency,
            on_request=on_request,
            on_failure=on_failure,
            keep_alive=keep_alive,
        )

    def access(self, target: Target) -> TargetAccess:
        """The target's access to AWS; costs almost nothing until it is used."""
        with self._lock:
            if target.profile not in self._profiles:
                self._profiles[target.profile] = self._new_profile(target.profile, target.region)
            return TargetAccess(target, self._profiles[target.profile], self._attempts)

    def sts(self, target: Target) -> SignedClient:
        """AWS STS with the target's credentials; raises `WalkError` if there are none."""
        return self.access(target).client("sts")

    def organizations(self, target: Target) -> SignedClient:
        """AWS Organizations in the target's partition with its credentials; raises `WalkError` if there are none."""
        return self.access(target).client("organizations")


class TargetAccess:
    """A target's access to AWS: the shared clients with the target's credentials.

    Attributes:
        target: as given.
    """

    def __init__(self, target: Target, profile: _Profile, attempts: int) -> None:
        self.target = target
        self._profile = profile
        self._attempts = attempts
        self._role: DeferredRefreshableCredentials | None = None

    def bedrock(self, attempts: int | None = None) -> SignedClient:
        """Amazon Bedrock for one walk; raises `WalkError` if there are no credentials.

        Args:
            attempts: per request; None for the configured number.
        """
        attempts = attempts or self._attempts
        if self.target.assume_role is None and self._profile.base().credentials is None:
            refuse_unsendable(os.environ.get(API_KEY, ""), "API key", API_KEY)
            return SignedClient(self._profile.client("bedrock", self.target.region, "bearer"), None, attempts)
        return self.client("bedrock", attempts)

    def client(self, service: str, attempts: int | None = None) -> SignedClient:
        """A service in the target's region for one walk; raises `WalkError` if there are no credentials."""
        attempts = attempts or self._attempts
        if self.target.assume_role is None:
            return self._starting(service, attempts)
        if self._role is None:
            starting = functools.partial(self._starting, "sts")
            self._role = role_credentials(self.target.assume_role, starting, self._attempts, self.forget_profile)
        signer = Signer(self._role, 1)  # it retries by itself
        return SignedClient(self._profile.client(service, self.target.region), signer, attempts)

    def ask_account_id(self) -> str | None:
        """Ask STS for the account of the profile's credentials; None while STS does not answer.

        After a failure STS is not asked again for `IDENTITY_PAUSE`, unless the credentials are read again.

        This needs no permission, but STS may be out of reach where Bedrock is not.
        """
        try:
            base = self._profile.base()
            if base.account_id is None and time.monotonic() >= base.ask_after:
                base.ask_after = time.monotonic() + IDENTITY_PAUSE
                with work.within(IDENTITY_TIMEOUT):
                    base.account_id = self._starting("sts", 1).get_caller_identity()["Account"]
        except Exception as error:  # noqa: BLE001 - anything may answer in its place, such as a proxy
            work.check()
            # If something is wrong, the list will show it; and the jobs' ARNs have the account, too.
            _log.debug("can't ask STS for the account: %s", type(error).__name__)
        return self.account_id

    @property
    def account_id(self) -> str | None:
        """The account of the profile's credentials, if known since they were read."""
        return self._profile.account_id

    def learn(self, account_id: str) -> None:
        """Remember the account from the jobs' ARNs until the credentials change."""
        base = self._profile.base()
        if self.target.assume_role is None and base.account_id is None:
            base.account_id = account_id

    def forget(self) -> None:
        """Read the credentials again at the next walk: somebody may have updated a file."""
        if self.target.assume_role is None:
            self.forget_profile()
        self._role = None

    def forget_profile(self) -> None:
        """Read the profile's credentials again when they are next used."""
        self._profile.forget()

    def recover(self, reason: FailureReason) -> None:
        """After a failure, read again what the user may fix: credentials, or the profile with its endpoint."""
        if reason is FailureReason.CREDENTIALS:
            self.forget()
        else:
            self._profile.suspect()

    def _starting(self, service: str, attempts: int) -> SignedClient:
        """A service with the target's starting credentials, before it assumes its role."""
        with bad_credentials():
            credentials = self._profile.base().credentials
            if credentials is None:
                raise NoCredentialsError
        return SignedClient(self._profile.client(service, self.target.region), Signer(credentials, attempts), attempts)


@dataclass(slots=True)
class _Base:
    """What was read from a profile. Credentials are None if only an API key was found.

    Attributes:
        account_id: of these credentials; None until known.
        ask_after: when STS may be asked for it again, on the monotonic clock.
    """

    credentials: Any | None
    account_id: str | None = None
    ask_after: float = 0.0


class _Profile:
    """The clients and credentials of one profile (None: the default credentials).

    The clients hold no credentials, so they outlive them.
    """

    def __init__(
        self,
        name: str | None,
        region: str,
        *,
        aws: AwsSettings,
        concurrency: int,
        on_request: OnRequest,
        on_failure: OnFailure,
        keep_alive: bool,
    ) -> None:
        self._name = name
        self._region = region
        self._endpoints = {"bedrock": aws.endpoint_url}
        self._on_request = on_request
        self._on_failure = on_failure
        self._keep_alive = keep_alive
        self._lock = threading.Lock()
        self._session: boto3.Session | None = None
        self._files: tuple[Path, ...] = ()
        self._written: sources.Written = ()
        self._is_suspect = False
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._base: _Base | None = None
        self._told_of_api_key = False
        self._config = BotoConfig(
            connect_timeout=aws.connect_timeout,
            read_timeout=aws.read_timeout,
            max_pool_connections=concurrency,
            retries={"mode": "standard", "total_max_attempts": 1},  # see `attempts`
            use_fips_endpoint=aws.use_fips,
            tcp_keepalive=True,
            user_agent_extra=f"{NAME}/{__version__}",
        )

    def client(self, service: str, region: str, signature: str = "v4") -> Any:  # noqa: ANN401 - see above
        """The shared client of a service in a region.

        The signature version is pinned: otherwise AWS_BEARER_TOKEN_BEDROCK would replace every target's credentials.
        """
        self._reread()
        key = (service, region, signature)
        if (client := self._clients.get(key)) is not None:
            return client
        with self._locked(), bad_credentials():
            clients = self._clients
            if key not in clients:
                clients[key] = self._make_client(service, region, signature)
            return clients[key]

    def base(self) -> _Base:
        """The profile's credentials, read at the first use.

        Raises:
            WalkError: there are none. This is not cached, so no restart is needed once there are some.
        """
        self._reread()
        if (base := self._base) is not None:
            return base
        with self._locked(), bad_credentials():
            if self._base is None:
                if self._name is None:
                    sources.refuse_empty_profile(os.environ)
                session = self._new_session()
                sources.refuse_mfa(session, self._name)
                credentials = session.get_credentials()
                if credentials is None and (self._name is not None or not os.environ.get(API_KEY)):
                    raise sources.no_credentials(session, self._name, os.environ) from NoCredentialsError()
                self._tell_of_api_key(is_used=credentials is None)
                self._base = _Base(credentials)
            return self._base

    def _tell_of_api_key(self, *, is_used: bool) -> None:
        """If there is an API key, log once whether it is used."""
        if self._told_of_api_key or self._name is not None or not os.environ.get(API_KEY):
            return
        self._told_of_api_key = True
        if is_used:
            _log.info("there are no other AWS credentials; using the API key for Amazon Bedrock in %s", API_KEY)
        else:
            _log.info("the API key in %s is not used: there are other AWS credentials", API_KEY)

    @property
    def account_id(self) -> str | None:
        base = self._base
        return None if base is None else base.account_id

    def forget(self) -> None:
        """Read the credentials again when next used; and everything else, too, if the files have changed."""
        self._base = None
        self.suspect()

    def suspect(self) -> None:
        """Create clients and credentials again when next used, if their files have changed by then."""
        self._is_suspect = True

    def _reread(self) -> None:
        if self._is_suspect and self._session is not None and self._written != sources.written(self._files):
            self._session, self._clients, self._base = None, {}, None
        self._is_suspect = False

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock on the configuration; wait for it no longer than the deadline."""
        left = work.remaining()
        if not self._lock.acquire(timeout=-1 if math.isinf(left) else left):
            what = "the default credentials" if self._name is None else f"the credentials of profile {self._name}"
            message = f"waited for {what}, which another target is reading; check the program or server they come from"
            raise WalkError(FailureReason.TIMEOUT, message)
        try:
            yield
        finally:
            self._lock.release()

    def _new_session(self) -> botocore.session.Session:
        session = botocore.session.Session(profile=self._name)
        if session.get_config_variable("region") is None:
            session.set_config_variable("region", self._region)  # credential providers call STS there
        session.register_component("data_loader", loader)
        # Pinned: an old configuration may still name the global endpoint, which is in a single region.
        session.set_config_variable("sts_regional_endpoints", "regional")
        session.register("before-parse", bodies.decompress)  # also for the clients of credential providers
        session.set_default_client_config(self._config.merge(BotoConfig(signature_version="v4")))
        return session

    def _make_client(self, service: str, region: str, signature: str) -> Any:  # noqa: ANN401 - see above
        if self._session is None:
            session = self._new_session()
            session.register_component("credential_provider", CredentialResolver(providers=[]))
            self._files = sources.files(session)
            self._written = sources.written(self._files)
            self._session = boto3.Session(botocore_session=session)
        try:
            client = self._session.client(
                service,
                region_name=region,
                endpoint_url=self._endpoints.get(service),
                config=self._config.merge(BotoConfig(signature_version=signature)),
            )
        except Exception:
            self._session = None  # it has read the files that may be wrong
            raise
        if signature == "v4":
            client.meta.events.register("before-parameter-build", sign)
        client.meta.events.register("before-send", self._count)
        if not self._keep_alive:
            client.meta.events.register("before-send", _close_afterwards)
        client.meta.events.register("after-call", self._count_refusal)
        client.meta.events.register("after-call-error", self._count_error)
        if service == "bedrock":
            client.meta.events.register("before-parse", bodies.keep)
        return client

    def _count(self, event_name: str, **_: object) -> None:
        self._on_request(event_name.rpartition(".")[2])

    def _count_refusal(self, event_name: str, http_response: Any, parsed: Any, **_: object) -> None:  # noqa: ANN401 - botocore's
        if http_response.status_code >= 300:
            operation = event_name.rpartition(".")[2]
            self._on_failure(operation, reason_of(ClientError(parsed, operation)))

    def _count_error(self, event_name: str, exception: Exception, **_: object) -> None:
        self._on_failure(event_name.rpartition(".")[2], reason_of(exception))


def _close_afterwards(request: Any, **_: object) -> None:  # noqa: ANN401 - botocore's
    request.headers["Connection"] = "close"
