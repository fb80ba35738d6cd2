"""AWS refuses: throttling, errors, credentials, roles, and regions without the feature."""

from datetime import timedelta

import faults
from faults import HTML, body_of, error

from exporter.simulator import Response
from reliability.fault import Fault, R, refusal
from reliability.injections import (
    UNKNOWN_OPERATION,
    hiccup,
    junk,
    listing,
    nameless,
    no_credentials,
    no_credentials_at_all,
    signature_expired,
    sts,
)

REFUSALS = (
    # AWS refuses
    Fault(
        "throttled-once",
        "429 on one page, and the page on the second attempt",
        hiccup(error(429, "ThrottlingException")),
        also="`api_requests_total` counts the attempt",
        attempts=3,
        settings={"max_attempts": "2"},
    ),
    refusal("throttled", "429 for ever", error(429, "ThrottlingException"), R.THROTTLED, "ThrottlingException"),
    refusal("error-500", "500", error(500, "InternalServerException"), R.SERVER_ERROR, "InternalServerException"),
    refusal(
        "error-503-html",
        "503 with a page of HTML, of a load balancer",
        body_of(HTML, 503, "text/html"),
        R.SERVER_ERROR,
        "503",
    ),
    refusal(
        "access-denied", "Access denied", error(403, "AccessDeniedException"), R.ACCESS_DENIED, "AccessDeniedException"
    ),
    refusal(
        "expired-token",
        "Credentials that have expired",
        error(403, "ExpiredTokenException"),
        R.CREDENTIALS,
        "ExpiredTokenException",
    ),
    Fault(
        "clock-behind-signature",
        "Our clock an hour behind AWS's, which so refuses every signature",
        listing(signature_expired),
        R.CREDENTIALS,
        "Signature expired",
    ),
    Fault(
        "credentials-gone",
        "Credentials that can't be renewed: their source fails",
        no_credentials,
        R.CREDENTIALS,
        "Error when retrieving credentials from custom-process",
    ),
    Fault(
        "credentials-null",
        "A program for credentials prints `null` at a renewal",
        junk(b"null"),
        R.CREDENTIALS,
        "the credential_process cat printed no JSON object",
    ),
    Fault(
        "credentials-without-secret",
        "A program for credentials leaves the secret out at a renewal",
        junk(b'{"Version": 1, "AccessKeyId": "AKIATEST"}'),
        R.CREDENTIALS,
        "Error when retrieving credentials from custom-process",
    ),
    Fault(
        "credentials-latin-1",
        "A program for credentials prints Latin-1: nothing of it is shown",
        junk(b'{"Version": 1, "SecretAccessKey": "hidden\xff"}'),
        R.CREDENTIALS,
        "the credential_process cat printed no JSON object",
    ),
    Fault(
        "sts-token-line-feed",
        "A role's session token that ends with a line feed: nothing of it is shown",
        sts(faults.assumed("hidden\n", timedelta(hours=1))),
        R.CREDENTIALS,
        "the session token ends with a line feed",
        role=True,
    ),
    Fault(
        "sts-truncated",
        "AssumeRole's answer breaks off in the secret: nothing of it is shown",
        sts(body_of(b"<AssumeRoleResponse><SecretAccessKey>hidden & ", content_type="text/xml")),
        R.MALFORMED_RESPONSE,
        "botocore can't parse the answer",
        role=True,
    ),
    Fault(
        "api-key-refused",
        "An API key that AWS refuses",
        listing(error(403, "AccessDeniedException", "Please make sure your API Key is valid.")),
        R.CREDENTIALS,
        "give the exporter a valid API key in AWS_BEARER_TOKEN_BEDROCK",
    ),
    Fault(
        "redirect-302",
        "A redirect, with a code of its own",
        listing(error(302, "Found")),
        R.MALFORMED_RESPONSE,
        "Found from ListModelCustomizationJobs",
    ),
    Fault(
        "redirect-303",
        "A redirect to another method (303)",
        listing(Response(303, b"", {"Location": "/elsewhere"})),
        R.MALFORMED_RESPONSE,
        "the answer is a redirect (303)",
    ),
    Fault(
        "proxy-407",
        "A proxy that asks for a user and a password",
        listing(body_of(HTML, 407, "text/html")),
        R.NETWORK,
        "the proxy asks for a user and a password",
    ),
    Fault(
        "no-credentials",
        "No credentials when the exporter starts",
        no_credentials_at_all,
        R.CREDENTIALS,
        "Unable to locate credentials",
        also="the account is `unknown` until there are some; no restart is needed then",
        from_start=True,
    ),
    Fault(
        "assume-role-denied",
        "AssumeRole denied",
        sts(faults.sts_error(403, "AccessDenied")),
        R.ASSUME_ROLE_DENIED,
        "AccessDenied from AssumeRole",
        role=True,
    ),
    Fault(
        "sts-500",
        "STS answers 500 when a role's credentials have to be renewed",
        sts(faults.sts_error(500, "InternalFailure")),
        R.SERVER_ERROR,
        "InternalFailure from AssumeRole",
        role=True,
    ),
    # Regions
    Fault(
        "unsupported-validation",
        "A region without model customization: `ValidationException`, “Unknown Operation”",
        listing(UNKNOWN_OPERATION, all_pages=True),
        R.UNSUPPORTED_REGION,
        "ValidationException from ListModelCustomizationJobs",
        from_start=True,
    ),
    Fault(
        "unsupported-coral",
        "A region without model customization: `UnknownOperationException` in a 200",
        listing(body_of(faults.CORAL_UNKNOWN_OPERATION), all_pages=True),
        R.UNSUPPORTED_REGION,
        "the endpoint does not know the operation ListModelCustomizationJobs",
        from_start=True,
    ),
    Fault(
        "no-longer-supported",
        "A region whose list was good answers “Unknown Operation”",
        listing(UNKNOWN_OPERATION),
        R.MALFORMED_RESPONSE,
        "does not know ListModelCustomizationJobs; it did before, so wait",
        also="it is walked on at its interval",
    ),
    Fault(
        "wrong-service",
        "An endpoint of bedrock-runtime, which says “Operation unknown”",
        listing(error(400, "ValidationException", "Operation unknown"), all_pages=True),
        R.MALFORMED_RESPONSE,
        "the endpoint bedrock-runtime.us-east-1.amazonaws.com does not know ListModelCustomizationJobs; is it "
        "bedrock-runtime's?",
        service="bedrock-runtime",
        from_start=True,
        also="it is walked on at its interval",
    ),
    Fault(
        "unsupported-dns",
        "A region without Amazon Bedrock: its name can't be resolved, and botocore knows no Bedrock there",
        nameless,
        R.UNSUPPORTED_REGION,
        "Could not connect to the endpoint URL",
        region="ap-east-1",
        from_start=True,
    ),
)
