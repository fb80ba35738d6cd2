"""The calls of Bedrock and STS that the simulator answers, as one pure function of world, request and time.

    GET  /model-customization-jobs                   ListModelCustomizationJobs
    GET  /model-customization-jobs/{jobIdentifier}   GetModelCustomizationJob
    POST /listTagsForResource                        ListTagsForResource
    POST /                                           GetCallerIdentity, AssumeRole (STS, Query protocol)

Account and region are read from the credential scope of the Signature Version 4 header. **The signature is not
verified**: any secret key works. An account's access key id is `access_key_id(account)`. The role `bedrock-exporter` of
every account can be assumed by every caller, and its credentials expire as they say.
"""

import base64
import binascii
import json
import re
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

from exporter.simulator import wire
from exporter.simulator.server import Request, Response
from exporter.simulator.world import Job, World

DEFAULT_PAGE = 10
"""Jobs on a page when a request does not say; the service's own default is not documented."""

_ROLE = "bedrock-exporter"
_PATH = "/model-customization-jobs"
_STATUSES = ("InProgress", "Completed", "Failed", "Stopping", "Stopped")
_ORDERS = ("Ascending", "Descending")
_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=(\w+)/\d{8}/([a-z0-9-]+)/(bedrock|sts)/aws4_request,")
_KEY_ID = re.compile(r"(AKIA|ASIA)SIM0(\d{12})")  # Long-term and temporary, as long as the real ones.
_STS_CODES = {  # The same faults have other names there.
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "IncompleteSignatureException": "IncompleteSignature",
    "ExpiredTokenException": "ExpiredToken",
}


def access_key_id(account: str) -> str:
    """Return the long-term access key id of an account."""
    return f"AKIASIM0{account}"


def answer(world: World, request: Request, now: float) -> Response:
    """Answer one request as of `now` (Unix seconds), in the shape of the service it is for."""
    request_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{now} {request.path} {request.headers.get('authorization')}"))
    if (request.method, request.path) == ("POST", "/"):
        return _answer_sts(world, request, now, request_id)
    headers = {"Content-Type": "application/json", "x-amzn-RequestId": request_id}
    try:
        status, payload = 200, _answer_bedrock(world, request, now)
    except _FaultError as fault:
        status, payload = fault.status, {"message": fault.message}
        headers["x-amzn-ErrorType"] = fault.code
    return Response(status, json.dumps(payload).encode(), headers)


class _FaultError(Exception):
    """An error that a caller gets as the answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def _invalid(message: str) -> _FaultError:
    return _FaultError(400, "ValidationException", message)


# Who is calling


@dataclass(frozen=True, slots=True)
class _Caller:
    account: str
    region: str
    arn: str


def _authenticate(world: World, request: Request, now: float) -> _Caller:
    header = request.headers.get("authorization")
    if header is None:
        raise _FaultError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    invalid = _FaultError(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
    if header.startswith("Bearer "):
        raise invalid
    scope = _SCOPE.match(header)
    if scope is None:
        raise _FaultError(403, "IncompleteSignatureException", f"'{header}' is not a Signature Version 4 header.")
    key_id, region, _ = scope.groups()
    known = _KEY_ID.fullmatch(key_id)
    if known is None or known[2] not in world.accounts:
        raise invalid
    kind, account = known.groups()
    if kind == "AKIA":
        return _Caller(account, region, f"arn:aws:iam::{account}:user/demo")
    try:
        expires, session = json.loads(base64.b64decode(request.headers["x-amz-security-token"], validate=True))
    except (KeyError, ValueError):
        raise invalid from None
    if now >= expires:
        raise _FaultError(403, "ExpiredTokenException", "The security token included in the request is expired")
    return _Caller(account, region, f"arn:aws:sts::{account}:assumed-role/{_ROLE}/{session}")


# Bedrock


def _answer_bedrock(world: World, request: Request, now: float) -> wire.Json:
    caller = _authenticate(world, request, now)
    if all(caller.region not in regions for regions in world.accounts.values()):
        raise _invalid("Unknown Operation")  # What a region without the feature says [rec].
    resource = unquote(request.path.removeprefix(f"{_PATH}/"))
    match request.method, request.path:
        case "GET", path if path == _PATH:
            _authorize(world, caller, "ListModelCustomizationJobs")
            return _list_jobs(world.jobs(caller.account, caller.region, now), request.query, now)
        case "GET", path if path.startswith(f"{_PATH}/"):
            return wire.detail(_find(world, caller, "GetModelCustomizationJob", resource, now), now)
        case "POST", "/listTagsForResource":
            job = _find(world, caller, "ListTagsForResource", _resource_arn(request.body), now)
            return {"tags": [{"key": key, "value": value} for key, value in job.tags.items()]}
    raise _FaultError(404, "UnknownOperationException", f"There is no {request.method} {request.path}")


def _authorize(world: World, caller: _Caller, operation: str, resource: str = "") -> None:
    """Refuse what no policy allows: another account's jobs, and a region that only another account has."""
    owner = resource.split(":")[4] if resource.count(":") > 4 else caller.account
    if owner != caller.account or caller.region not in world.accounts[caller.account]:
        what = f"bedrock:{operation}" + (f" on resource: {resource}" if resource else "")
        message = f"User: {caller.arn} is not authorized to perform: {what}"
        raise _FaultError(403, "AccessDeniedException", message)


def _find(world: World, caller: _Caller, operation: str, identifier: str, now: float) -> Job:
    _authorize(world, caller, operation, identifier)
    job = world.find(caller.account, caller.region, identifier, now)
    if job is None:
        raise _FaultError(404, "ResourceNotFoundException", f"Could not find the resource: {identifier}")
    return job


def _resource_arn(body: bytes) -> str:
    try:
        return str(json.loads(body)["resourceARN"])
    except (ValueError, KeyError, TypeError):
        raise _invalid("resourceARN is missing") from None


def _list_jobs(jobs: Sequence[Job], query: Mapping[str, str], now: float) -> wire.Json:
    """Return a page of `jobs`, which are in order of creation.

    A page token holds the index of the last job sent, which stays valid because jobs are only added at the end, and is
    bound to its query.
    """
    order = _choice(query, "sortOrder", _ORDERS) or "Descending"
    _choice(query, "sortBy", ("CreationTime",))
    status = _choice(query, "statusEquals", _STATUSES)
    name = query.get("nameContains", "")
    after, before = _time(query, "creationTimeAfter"), _time(query, "creationTimeBefore")
    limit = _page_size(query)
    binding = zlib.crc32(repr((order, status, name, after, before)).encode())
    last = _read_token(query["nextToken"], binding, len(jobs)) if "nextToken" in query else None

    indexes = range(0 if last is None else last + 1, len(jobs))
    if order == "Descending":
        indexes = range(len(jobs) if last is None else last)[::-1]
    matching = (
        index
        for index in indexes
        if (status is None or jobs[index].status(now) == status)
        and name in jobs[index].name
        and (after is None or jobs[index].created > after)
        and (before is None or jobs[index].created < before)
    )
    page = list(islice(matching, limit))
    answer: wire.Json = {"modelCustomizationJobSummaries": [wire.summary(jobs[index], now) for index in page]}
    if next(matching, None) is not None:
        answer["nextToken"] = base64.urlsafe_b64encode(f"{binding}:{page[-1]}".encode()).decode()
    return answer


def _read_token(token: str, binding: int, jobs: int) -> int:
    try:
        bound, index = map(int, base64.b64decode(token, b"-_", validate=True).split(b":"))
    except (ValueError, binascii.Error):
        bound, index = -1, -1
    if bound != binding or not 0 <= index < jobs:
        raise _invalid("The provided nextToken is invalid")
    return index


def _page_size(query: Mapping[str, str]) -> int:
    value = query.get("maxResults", str(DEFAULT_PAGE))
    if not re.fullmatch(r"[0-9]{1,4}", value) or not 1 <= int(value) <= 1000:
        raise _invalid(f"Value '{value}' at 'maxResults' failed to satisfy constraint: Member must be from 1 to 1000")
    return int(value)


def _choice(query: Mapping[str, str], name: str, choices: Sequence[str]) -> str | None:
    value = query.get(name)
    if value is not None and value not in choices:
        allowed = f"Member must satisfy enum value set: [{', '.join(choices)}]"
        raise _invalid(f"Value '{value}' at '{name}' failed to satisfy constraint: {allowed}")
    return value


def _time(query: Mapping[str, str], name: str) -> float | None:
    if name not in query:
        return None
    try:
        time = datetime.fromisoformat(query[name])
    except ValueError:
        raise _invalid(f"Value '{query[name]}' at '{name}' is not an ISO 8601 time") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


# STS


def _answer_sts(world: World, request: Request, now: float, request_id: str) -> Response:
    parameters = dict(parse_qsl(request.body.decode()))
    action = parameters.get("Action", "")
    metadata: wire.Json = {"RequestId": request_id}
    try:
        caller = _authenticate(world, request, now)
        match action:
            case "GetCallerIdentity":
                result: wire.Json = {"Arn": caller.arn, "UserId": "AIDASIM0EXAMPLE", "Account": caller.account}
            case "AssumeRole":
                result = _assume_role(world, caller, parameters, now)
            case _:
                raise _FaultError(400, "InvalidAction", f"Could not find operation {action}")
    except _FaultError as fault:
        status, name = fault.status, "ErrorResponse"
        error = {"Type": "Sender", "Code": _STS_CODES.get(fault.code, fault.code), "Message": fault.message}
        tree: wire.Json = {"Error": error, **metadata}
    else:
        status, name = 200, f"{action}Response"
        tree = {f"{action}Result": result, "ResponseMetadata": metadata}
    text = f'<{name} xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{_xml(tree)}</{name}>'
    return Response(status, text.encode(), {"Content-Type": "text/xml", "x-amzn-RequestId": request_id})


def _assume_role(world: World, caller: _Caller, parameters: Mapping[str, str], now: float) -> wire.Json:
    role, session = parameters.get("RoleArn", ""), parameters.get("RoleSessionName", "")
    known = re.fullmatch(rf"arn:aws:iam::(\d{{12}}):role/{_ROLE}", role)
    if known is None or known[1] not in world.accounts:
        message = f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {role}"
        raise _FaultError(403, "AccessDenied", message)
    duration = parameters.get("DurationSeconds", "3600")
    if not re.fullmatch(r"[0-9]{1,5}", duration) or not 900 <= int(duration) <= 43200:
        raise _FaultError(400, "ValidationError", f"DurationSeconds must be from 900 to 43200, not '{duration}'")
    expires = int(now) + int(duration)
    return {
        "AssumedRoleUser": {
            "AssumedRoleId": f"AROASIM0EXAMPLE:{session}",
            "Arn": f"arn:aws:sts::{known[1]}:assumed-role/{_ROLE}/{session}",
        },
        "Credentials": {
            "AccessKeyId": f"ASIASIM0{known[1]}",
            "SecretAccessKey": "any-secret-key-does",
            # The simulator remembers no session: the token itself says when it expires.
            "SessionToken": base64.b64encode(json.dumps([expires, session]).encode()).decode(),
            "Expiration": wire.timestamp(expires, digits=0),
        },
    }


def _xml(tree: object) -> str:
    if isinstance(tree, dict):
        return "".join(f"<{name}>{_xml(value)}</{name}>" for name, value in tree.items())
    return escape(str(tree))
