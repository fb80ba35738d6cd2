"""What every test starts from: an environment without the AWS set-up of whoever runs it."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # how long an example takes says more about the machine
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _no_aws_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Take out every AWS and proxy variable, and keep boto3 from every file of the user and from instance metadata."""
    with pytest.MonkeyPatch.context() as environment:
        for name in list(os.environ):
            if name.upper().startswith("AWS_") or name.upper().endswith("_PROXY"):
                environment.delenv(name)
        environment.setenv("AWS_CONFIG_FILE", os.devnull)
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        environment.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield
