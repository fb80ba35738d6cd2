"""What months of uptime and wild input bring, for docs/reliability.md."""

from reliability.rows import Row

_LIFE = "tests/reliability/test_long_life.py::"
_OURS = "tests/bedrock/test_aws_configuration.py::"
_WILD = "tests/wild/test_"
_DOWN = '`msg="target is down" reason={}`'

ROWS = [
    Row(
        "the credentials of an assumed role expire again and again, and STS fails at the first renewal",
        "nothing: no walk fails",
        "—",
        f"{_LIFE}test_credentials_of_a_role_renew_for_ever",
    ),
    Row(
        "the clock is hours ahead, so that new credentials have already expired",
        '`target_up` 0, `target_walk_failures_total{reason="credentials"}`; up again once the clock is right',
        _DOWN.format("credentials"),
        f"{_LIFE}test_credentials_that_have_ended_at_once_are_no_bug",
    ),
    Row(
        "the credentials file is rewritten for another account",
        "one walk fails while the old keys are refused; then the exporter looks up the account again, and the series "
        "of the old one end",
        _DOWN.format("credentials"),
        f"{_OURS}test_credentials_that_somebody_writes_anew",
    ),
    Row(
        "the endpoint of a profile is wrong until somebody fixes the file",
        "`target_up` 0, and 1 at the next walk: no restart is needed",
        _DOWN.format("network"),
        f"{_OURS}test_a_profile_that_is_mended",
    ),
    Row(
        "a `credential_process` hangs, and has started another process",
        '`target_up` 0, `target_walk_failures_total{reason="credentials"}`; both end with the walk, no zombie is left',
        "“the credential_process sh did not end in time, and was killed”",
        f"{_OURS}test_a_command_that_hangs_ends_with_the_walk",
    ),
    *(
        Row(
            f"the AWS configuration has {fault}",
            "`target_up` 0; nothing is sent, no secret is shown; up again once it is fixed",
            f"{_DOWN.format('credentials')}, “{says}”",
            f"tests/bedrock/test_configuration_faults.py::test_faults_of_the_aws_configuration[{fault}]",
        )
        for fault, says in (
            ("a profile that is a role with MFA", "profile ops asks for an MFA code, which a service can't give"),
            ("a profile of `aws login`", "the profile signs in with `aws login`, which a service can't do"),
            ("a profile of SSO without a session", "there is no valid session in ~/.aws/sso/cache"),
            ("a role's name", "AWS_ROLE_ARN must be the ARN of a role"),
            ("an empty token file", "the web identity's token file … holds no token"),
            ("an endpoint without a scheme", "a URL that can't be used; check …"),
            ("a number that is none", "not a number; check AWS_METADATA_SERVICE_NUM_ATTEMPTS"),
        )
    ),
    Row(
        "the CA bundle is missing, or holds no certificates",
        "`target_up` 0; up again once it is fixed",
        f"{_DOWN.format('credentials')}, “the CA bundle … of AWS_CA_BUNDLE holds no certificates”",
        f"{_OURS}test_endpoints_that_cannot_be_used[a CA bundle without certificates]",
    ),
    Row(
        "the clock is set back a day, or ahead a year",
        "walks keep their interval; no duration is below 0; the age of jobs is wrong by as much as the clock",
        "—",
        f"{_LIFE}test_walks_through_clocks_that_are_set",
    ),
    Row(
        "a library call hangs for ever, such as a resolver that never answers",
        '`target_up` 0 and `target_walk_failures_total{reason="timeout"}` grows for this target only (or, if it is '
        "a `credential_process`, for the targets of the profile); it holds one thread, however long it lasts; "
        "`/-/healthy` is 200; up again by itself when the call ends",
        _DOWN.format("timeout"),
        f"{_LIFE}test_a_thread_that_hangs_for_ever_harms_no_other_target",
    ),
    Row(
        "walks of a long list keep failing half-way",
        "memory does not grow: the pages that were read are released",
        _DOWN.format("…"),
        f"{_LIFE}test_a_target_that_is_down_holds_no_page[429]",
    ),
    Row(
        "all targets that are walked at the same time send endless responses, gzip bombs or JSON made to be costly",
        "memory stays below 300 MB",
        _DOWN.format("malformed_response"),
        "tests/reliability/test_memory.py::test_hostile_targets_at_once[a body without end]",
    ),
    Row(
        "20,000 walks and 20,000 scrapes with all kinds of faults and misbehaving clients (`make soak`)",
        "memory, threads, connections and file descriptors do not grow; every scrape is complete",
        "a line for each change",
        f"{_LIFE}test_short_soak",
    ),
    Row(
        "the list is any JSON or any bytes, in any pages",
        "a snapshot, or one of the reasons except `internal`; `/metrics` can be parsed in both formats, `/` is a page",
        _DOWN.format("malformed_response") + " or another one",
        f"{_WILD}aws.py::test_any_list_is_a_snapshot_or_a_reason",
    ),
    Row(
        "Bedrock, or what stands in its place, answers with any status, headers and body",
        "one of the reasons; `internal` only where the service itself gives an error that has no reason of its own",
        _DOWN.format("…") + ", at most a thousand characters of what came",
        f"{_WILD}aws.py::test_any_answer_of_bedrock_has_a_reason",
    ),
    Row(
        "STS, or what stands in its place, answers anything",
        "without a role, `aws_account_id` is taken from the jobs or is `unknown`; with a role, one of the reasons",
        _DOWN.format("…"),
        f"{_WILD}aws.py::test_any_answer_of_sts_has_a_reason",
    ),
    Row(
        "a client sends any bytes, or a request with anything wrong in it",
        "200, 400, 404, 405 or 503, or a closed connection; the next client is served",
        "—",
        f"{_WILD}clients.py::test_any_request_has_a_status_or_no_answer",
    ),
    Row(
        "any text as configuration file",
        "it is used, or each error is reported in a line with file, path, value and what is expected; exit code 2",
        "—",
        "tests/config/test_load.py::test_any_text_gives_a_config_or_its_faults",
    ),
    Row(
        "any flags",
        "exit code 0, 1 or 2 and never a traceback; with 2, a message on standard error",
        "—",
        f"{_WILD}flags.py::test_any_flags_end_as_documented",
    ),
]
