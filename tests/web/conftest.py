"""What the tests of web configurations share."""

import pytest
from web.toolkit_files import Folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A folder with keys, certificates and a web configuration."""
    return Folder(tmp_path_factory.mktemp("web"))
