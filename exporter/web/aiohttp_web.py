"""aiohttp's server, to be imported from here.

aiohttp loads all certificates of the machine when it is imported, for its client, which the exporter does not use. That
takes a tenth of the CPU of the exporter's whole start, so it is shown an empty file instead.
"""

import os

_certificates = os.environ.get("SSL_CERT_FILE")
os.environ["SSL_CERT_FILE"] = os.devnull
try:
    from aiohttp import web
finally:
    del os.environ["SSL_CERT_FILE"]
    if _certificates is not None:
        os.environ["SSL_CERT_FILE"] = _certificates

__all__ = ["web"]
