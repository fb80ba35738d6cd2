"""aiohttp's server, to be imported from here.

aiohttp loads all certificates of the machine when it is imported, for its client, which the exporter does not use. That
takes a tenth of the CPU of the exporter's whole start, so it is shown an empty file instead. Nor does it see
SSLKEYLOGFILE then, since it can't be imported if that file can't be written.
"""

import os

_hidden = {name: os.environ.pop(name) for name in ("SSL_CERT_FILE", "SSLKEYLOGFILE") if name in os.environ}
os.environ["SSL_CERT_FILE"] = os.devnull
try:
    from aiohttp import web
finally:
    del os.environ["SSL_CERT_FILE"]
    os.environ.update(_hidden)

__all__ = ["web"]
