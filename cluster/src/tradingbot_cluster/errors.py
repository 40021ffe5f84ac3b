"""What can go wrong, each with the exit code that the command line ends with."""

from __future__ import annotations

from typing import Final

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_NOT_RUNNING: Final = 3
EXIT_UNHEALTHY: Final = 4
EXIT_MISSING_PREREQUISITE: Final = 5
EXIT_BUSY: Final = 6


class ClusterError(Exception):
    """Something went wrong that the person at the terminal can act on: the message says how."""

    exit_code = EXIT_FAILED


class UsageError(ClusterError):
    """The command was called with something that it cannot work with."""

    exit_code = EXIT_USAGE


class NotRunningError(ClusterError):
    """A cluster is needed and none is running."""

    exit_code = EXIT_NOT_RUNNING


class MissingPrerequisiteError(ClusterError):
    """The machine lacks something: the message names it and the command that installs it."""

    exit_code = EXIT_MISSING_PREREQUISITE


class BusyError(ClusterError):
    """Another command works on the same cluster, or another cluster holds what this one needs."""

    exit_code = EXIT_BUSY
