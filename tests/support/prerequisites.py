"""`python -m tests.support.prerequisites`: install or name what the component tests need of the machine."""

from __future__ import annotations

import sys
from pathlib import Path

from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.prerequisites import Prerequisite, require

# Debian keeps the server's programs out of PATH, in a folder per major version.
POSTGRESQL_SERVERS = tuple(str(path) for path in Path("/usr/lib/postgresql").glob("*/bin/postgres"))
NEEDED = (
    Prerequisite("postgres", "postgresql", POSTGRESQL_SERVERS),
    Prerequisite("redis-server", "redis-server"),
    Prerequisite("chromium", "chromium"),
    Prerequisite("promtool", "prometheus"),
)


def main() -> int:
    """Exit code 0 when everything is there, 1 with the command that installs what is missing otherwise."""
    try:
        require([each for each in NEEDED if not each.present()])
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
