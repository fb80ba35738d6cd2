"""Cut botocore's data, nearly all of its size, down to what the exporter can ask for.

Run by the Python whose botocore is to be cut: ``python packaging/trim_botocore.py``.
"""

import shutil
from pathlib import Path

import botocore

SERVICES = (
    "bedrock",  # the job list
    "organizations",  # discovery of accounts
    "sso",  # credentials of a profile with SSO
    "sso-oidc",  # renews the token of an SSO session
    "sts",  # roles, web identity (IRSA), and the account of the default credentials
)
"""Every service whose model is loaded, by us or by one of botocore's providers of credentials.

Not ``signin``: the credentials of ``aws login`` need the AWS Common Runtime, which is not installed, before it.
"""


def trim(data: Path) -> None:
    """Remove the models of all other services from botocore's folder of data.

    Files beside them (endpoints, partitions, retries, defaults) belong to no service and stay.
    """
    if missing := [name for name in SERVICES if not (data / name).is_dir()]:
        raise SystemExit(f"{data} lacks {', '.join(missing)}")
    for path in data.iterdir():
        if path.is_dir() and path.name not in SERVICES:
            shutil.rmtree(path)


if __name__ == "__main__":
    trim(Path(botocore.__file__).parent / "data")
