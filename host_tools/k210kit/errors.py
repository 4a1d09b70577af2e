"""The exceptions that k210kit raises for a user's mistake or a device's refusal."""


class K210Error(Exception):
    """Bad input or a refusal, told in one sentence with the numbers and the next step.

    The command line prints the sentence and exits with status `exit_status`.
    """

    exit_status = 2


class DeviceError(K210Error):
    """A port or the board at it did not do what was asked for, though the request was a good one."""

    exit_status = 1
