import errno
import os
import sqlite3

import pytest

from jaxcnn.cli import mistakes


def raised_from(error):
    try:
        raise ValueError("it cannot be written") from error
    except ValueError as found:
        return found


def full_index():
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA max_page_count = 1")
    try:
        connection.execute("CREATE TABLE photo (path)")
    except sqlite3.OperationalError as error:
        return error


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FULL, 1),
        (raised_from(FULL), 1),
        (raised_from(full_index()), 1),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES)), 2),
        (ValueError("a flag"), 2),
    ],
)
def test_a_full_disk_is_no_mistake_of_a_flag(error, status):
    assert mistakes._status(error) == status
