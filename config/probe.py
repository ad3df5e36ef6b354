"""Ask our own /healthz, for the container's health check: `python -m config.probe`; the exit status answers.

Needs the standard library alone. It asks under the name of SITE_URL, because the site answers to no other.
"""

import http.client
import os
import sys
from urllib.parse import urlsplit

PORT = 8000
PATIENCE = 3  # seconds


def main() -> int:
    """0 when the process answers."""
    host = urlsplit(os.environ.get("SITE_URL", "")).netloc or "localhost"
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE)
    try:
        connection.request("GET", "/healthz", headers={"Host": host})
        return 0 if connection.getresponse().status == http.HTTPStatus.OK else 1
    except OSError:
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
