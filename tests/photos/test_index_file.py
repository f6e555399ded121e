"""The file of an index: what is no index is left alone; what replaces one is whole or not there."""

import contextlib
import errno
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from PIL import Image

from jaxcnn.data.photo_files import find_named
from jaxcnn.photos import index_file
from jaxcnn.photos.index_file import ForeignFileError, install
from jaxcnn.photos.index_format import PhotoIndexError, UnusableIndexError
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.index_writer import IndexWriter
from jaxcnn.photos.ranking import Query, search
from jaxcnn.photos.updating import check_folders

ROOT = Path(__file__).parent.parent.parent
posix = pytest.mark.skipif(os.name == "nt", reason="signals and permissions are POSIX")


def run(program, *arguments, **options):
    """Run a program in a process of its own; give its exit status and what it said."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        **options,
    )


def listing(folder):
    """What lies in a folder: names, bytes and times."""
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.iterdir()
        if path.is_file()
    }


def fill(album, count, kind="tabby"):
    for i in range(count):
        album.write(f"{kind}{i:03d}.png", kind, seed=i)


def names(path):
    return {photo.path.name for photo in all_photos(PhotoIndex(path))}


def all_photos(index):
    return index.photos(index.columns().photo_ids)


def is_whole(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def leave_wal(path):
    """Write to the index, committed, in a process that is killed: it leaves PATH-wal."""
    done = run(
        """
        import os, sys, sqlite3
        c = sqlite3.connect(sys.argv[1], isolation_level=None)
        c.execute("PRAGMA journal_mode = WAL")
        c.execute("UPDATE photos SET taken = taken + 1")
        os._exit(0)
        """,
        path,
    )
    assert done.returncode == 0, done.stderr
    assert path.with_name(f"{path.name}-wal").stat().st_size


def write_foreign(path, kind):
    """Write what is no index; give the words for it."""
    if kind == "text":
        path.write_text("Dear diary, today I took photos.\n")
        return "a text file"
    if kind == "image":
        Image.new("RGB", (8, 8)).save(path, "JPEG")
        return "a JPEG image"
    if kind == "bytes":
        path.write_bytes(b"\0\xff" * 900)
        return "a file of another kind"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        if kind == "wal":
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE about (key TEXT, value TEXT)")
        connection.execute("CREATE TABLE photos (id, path)")
        connection.execute("INSERT INTO photos VALUES (1, 'mine')")
    return "a SQLite database of another program"


@pytest.mark.parametrize("rebuild", [False, True])
@pytest.mark.parametrize("kind", ["text", "image", "bytes", "sqlite", "wal"])
def test_what_is_no_index_stays_as_it_was(album, kind, rebuild):
    fill(album, 2)
    words = write_foreign(album.path, kind)
    before = listing(album.path.parent)
    with pytest.raises(ForeignFileError, match=f"is {words}, .*overwrite=True") as caught:
        album.update(rebuild=rebuild)
    assert "rebuild" not in str(caught.value)
    with pytest.raises(ForeignFileError, match="overwrite=True"):
        check_folders(album.path, [str(album.photos)], rebuild=rebuild)
    with pytest.raises(ForeignFileError, match=words):
        PhotoIndex(album.path)
    with pytest.raises(ForeignFileError, match=words), IndexWriter(album.path):
        pass
    after = listing(album.path.parent)
    after.pop(f"{album.path.name}.lock", None)
    assert after == before


def test_a_folder_is_no_index(album):
    fill(album, 1)
    album.path.mkdir()
    with pytest.raises(ForeignFileError, match="is a folder"):
        album.update()


@pytest.mark.parametrize("kind", ["text", "wal"])
def test_what_is_no_index_is_replaced_when_that_is_asked_for(album, kind):
    fill(album, 3)
    write_foreign(album.path, kind)
    wal = album.path.with_name(f"{album.path.name}-wal")
    wal.write_bytes(b"of what lay there")
    album.update(overwrite=True)
    assert len(names(album.path)) == 3
    assert not wal.exists()
    assert is_whole(album.path)


def test_overwrite_leaves_an_index_as_it_is(album):
    fill(album, 3)
    album.update()
    assert album.update(overwrite=True).unchanged == 3
    assert album.labeller.num_labelled == 3


def test_the_log_of_a_killed_index_does_not_meet_the_rebuilt_one(album):
    fill(album, 60)
    album.update()
    leave_wal(album.path)
    for path in album.photos.iterdir():
        path.unlink()
    fill(album, 2, "school bus")
    album.update(rebuild=True, fingerprint="another")
    assert names(album.path) == {"school bus000.png", "school bus001.png"}
    assert is_whole(album.path)
    assert album.index.network.fingerprint == "another"
    left = {path.name for path in album.path.parent.iterdir() if path.is_file()}
    assert left == {album.path.name, f"{album.path.name}.lock"}


def test_the_log_of_an_index_that_was_deleted_does_not_meet_the_new_one(album):
    fill(album, 60)
    album.update()
    leave_wal(album.path)
    album.path.unlink()
    (album.photos / "tabby000.png").unlink()
    album.update()
    assert len(names(album.path)) == 59
    assert is_whole(album.path)


def test_who_reads_sees_the_rebuilt_index(album):
    fill(album, 5)
    album.update()
    index = album.index
    assert (index.count(), index.network.fingerprint) == (5, "stub")
    fill(album, 2, "school bus")
    album.update(rebuild=True, fingerprint="another")
    assert (index.count(), index.network.fingerprint) == (7, "another")
    assert len(index.columns().photo_ids) == 7


def two_indexes(album, tmp_path):
    """An index of 40 photos, and one of 90 that is to take its place."""
    fill(album, 40)
    album.update()
    (tmp_path / "second").mkdir()
    other = type(album)(tmp_path / "second")
    fill(other, 90, "school bus")
    other.update(fingerprint="another")
    built = album.path.with_name(f"{album.path.name}.rebuilt")
    other.path.rename(built)
    return built, names(album.path), names(built)


KILLED_AT = """
import os, signal, sys
from pathlib import Path
calls, built, path = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
from jaxcnn.photos.index_file import install
def count(*_):  # each call of a system function, and each that Python or SQLite makes
    global calls
    calls -= 1
    if calls < 0:
        os.kill(os.getpid(), signal.SIGKILL)
sys.setprofile(count)
install(built, path)
"""


@posix
@pytest.mark.parametrize("apart", [61, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("state", ["sound", "wal", "damaged", "foreign"])
def test_a_kill_while_it_is_replaced_leaves_the_old_or_the_new(album, tmp_path, state, apart):
    built, old, new = two_indexes(album, tmp_path)
    if state == "wal":
        leave_wal(album.path)
    if state == "damaged":
        album.path.write_bytes(album.path.read_bytes()[:9000])
    if state == "foreign":
        album.path.unlink()
        write_foreign(album.path, "wal")
    start = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    seen = []
    for calls in range(0, 4000, apart):
        for path in tmp_path.iterdir():
            if path.is_file():
                path.unlink()
        for name, data in start.items():
            (tmp_path / name).write_bytes(data)
        status = run(KILLED_AT, calls, built, album.path).returncode
        if status == 0:
            break
        assert status == -signal.SIGKILL
        try:
            found = names(album.path)
        except PhotoIndexError:
            assert state in ("damaged", "foreign")
            found = old
        else:
            assert is_whole(album.path)
        assert found in (old, new)
        seen.append(found == new)
        assert found == new or built.exists()
    assert status == 0
    assert names(album.path) == new
    assert not built.exists()


@posix
def test_a_kill_inside_the_database_leaves_the_old_or_the_new(album, tmp_path):
    """At any of the times of a long replacement, which spends them in SQLite."""
    built, old, new = two_indexes(album, tmp_path)
    with contextlib.closing(sqlite3.connect(built)) as connection, connection:
        connection.execute("UPDATE vectors SET vector = zeroblob(200000)")
    start = {path: path.read_bytes() for path in (built, album.path)}
    for wait in (0.0, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064):
        for path, data in start.items():
            index_file.remove(path)
            path.write_bytes(data)
        program = """
        import os, signal, sys, threading, time
        from pathlib import Path
        from jaxcnn.photos.index_file import install
        def kill():
            time.sleep(float(sys.argv[1]))
            os.kill(os.getpid(), signal.SIGKILL)
        threading.Thread(target=kill, daemon=True).start()
        install(Path(sys.argv[2]), Path(sys.argv[3]))
        """
        run(program, wait, built, album.path)
        found = names(album.path)
        assert found in (old, new)
        assert is_whole(album.path)
        assert found == new or built.exists()


@posix
def test_a_full_disk_leaves_the_old_index(album, tmp_path):
    built, old, new = two_indexes(album, tmp_path)
    program = """
    import resource, signal, sys
    from pathlib import Path
    from jaxcnn.photos.index_file import install
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (24000, 24000))  # no file may become larger
    install(Path(sys.argv[1]), Path(sys.argv[2]))
    """
    done = run(program, built, album.path)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr.splitlines()[-1]
    assert names(album.path) == old
    install(built, album.path)
    assert names(album.path) == new


def damage(path, kind):
    data = bytearray(path.read_bytes())
    if kind == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "garbage":
        data[12288:] = os.urandom(len(data) - 12288)
        path.write_bytes(data)
    elif kind == "header":
        data[:100] = b"x" * 100
        path.write_bytes(data)
    else:
        statement = {
            "json": "UPDATE about SET value = '{\"finger' WHERE key = 'network'",
            "keys": "UPDATE about SET value = '{}' WHERE key = 'network'",
            "labels": "UPDATE photos SET labels = x'010203' WHERE id = 2",
            "no labels": "UPDATE photos SET labels = x'' WHERE id = 2",
            "class": "UPDATE photos SET labels = x'ffff0000' WHERE id = 2",
            "vector": "UPDATE vectors SET vector = x'01' WHERE id = 2",
            "table": "DROP TABLE photos",
        }[kind]
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)


def read_all(path):
    index = PhotoIndex(path)
    index.columns()
    list(index.vectors())


def index_again(album):
    check_folders(album.path, [])
    fill(album, 2, "school bus")
    album.update()


KINDS = ["truncated", "garbage", "header", "json", "keys", "labels", "no labels", "class"]
KINDS += ["vector", "table"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_index_says_so_and_is_made_again(album, kind):
    fill(album, 40)
    album.update()
    damage(album.path, kind)
    with pytest.raises(UnusableIndexError, match=r"is damaged .*rebuild=True"):
        read_all(album.path)
    folders = check_folders(album.path, [str(album.photos)], rebuild=True)
    album.update(*map(os.fsdecode, folders), rebuild=True)
    assert len(names(album.path)) == 40
    assert is_whole(album.path)


@pytest.mark.parametrize("kind", ["truncated", "garbage", "header", "json", "table"])
def test_a_damaged_index_is_not_written_to(album, kind):
    fill(album, 40)
    album.update()
    damage(album.path, kind)
    with pytest.raises(UnusableIndexError, match="is damaged"):
        index_again(album)


def test_folders_of_a_damaged_index_are_known_where_they_can_be_read(album):
    fill(album, 4)
    album.update()
    damage(album.path, "json")
    assert check_folders(album.path, [], rebuild=True) == [os.fsencode(album.photos.resolve())]


def test_a_damaged_rebuilding_begins_again(album):
    fill(album, 40)
    album.update()
    done = []
    album.update(
        rebuild=True,
        fingerprint="another",
        on_photo=lambda: done.append(1),
        should_stop=lambda: len(done) > 20,
    )
    damage(album.path.with_name(f"{album.path.name}.rebuilt"), "garbage")
    album.update(rebuild=True, fingerprint="another")
    assert album.index.network.fingerprint == "another"
    assert len(names(album.path)) == 40


def test_a_rebuilding_waits_for_a_drive_that_is_away(album, tmp_path):
    fill(album, 4)
    album.update()
    away = album.photos.with_name("away")
    album.photos.rename(away)
    with IndexWriter(album.path) as writer:  # without photos, nothing would be lost
        writer.add_folder(os.fsencode(tmp_path / "never"))
        writer.commit()
    for _ in range(2):
        with pytest.raises(ValueError, match=r"photos is not there now, or empty.*forget_missing"):
            album.update(rebuild=True)
        assert album.index.count() == 4
        album.photos.mkdir(exist_ok=True)  # an empty mount point
    album.update(rebuild=True, forget_missing=True)
    assert album.index.count() == 0


def lock(monkeypatch, *functions):
    """Have the system refuse what is asked about any file, as where a folder above is closed."""

    def refuse(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    for name in functions:
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: False)


def test_a_rebuilding_waits_for_a_folder_that_may_not_be_read(album, monkeypatch):
    fill(album, 4)
    album.update()
    with monkeypatch.context() as locked:
        lock(locked, "scandir")
        with pytest.raises(ValueError, match=r"or may not be read.*forget_missing"):
            album.update(rebuild=True)
    assert album.index.count() == 4


def test_what_may_not_be_read_is_not_called_gone(album, monkeypatch):
    fill(album, 1)
    album.update()
    found = search(album.index, Query(words="cat"))
    assert not found.hits[0].vanished
    with monkeypatch.context() as locked:
        lock(locked, "lstat")
        assert not search(album.index, Query(words="cat")).hits[0].vanished
        assert [each.path for each in find_named(["x.jpg"])] == [b"x.jpg"]


@posix
def test_an_index_in_a_read_only_folder_is_read_with_its_log(album, tmp_path):
    fill(album, 3)
    album.update()
    leave_wal(album.path)
    taken = album.index.columns().taken.tolist()
    album.path.with_name(f"{album.path.name}-shm").unlink()
    folder = tmp_path / "read-only"
    folder.mkdir()
    for name in (album.path.name, f"{album.path.name}-wal"):
        (tmp_path / name).rename(folder / name)
        (folder / name).chmod(0o444)
    for each in (folder, *list(folder.parents)[:4]):
        each.chmod(0o555 if each == folder else 0o755)
    program = """
    import os, sys
    from pathlib import Path
    from jaxcnn.photos.index_reader import PhotoIndex
    if os.geteuid() == 0:  # who may write anywhere
        os.setuid(65534)
    print(PhotoIndex(Path(sys.argv[1])).columns().taken.tolist())
    """
    try:
        done = run(program, folder / album.path.name)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == str(taken)
        assert len(list(folder.iterdir())) == 2
    finally:
        folder.chmod(0o755)


def test_what_is_committed_outlasts_the_process_and_not_each_power_cut(album):
    fill(album, 1)
    with IndexWriter(album.path) as writer:
        held = writer._connection.execute
        assert held("PRAGMA synchronous").fetchone() == (1,)  # NORMAL: no fsync per commit
        assert held("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_rebuilding_does_not_wait_for_ever_for_another_program(album, tmp_path, monkeypatch):
    built, old, _ = two_indexes(album, tmp_path)
    monkeypatch.setattr(index_file, "_TIMEOUT_S", 0.05)
    with contextlib.closing(sqlite3.connect(album.path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(PhotoIndexError, match="cannot be written: database is locked"):
            install(built, album.path)
        other.execute("ROLLBACK")
    assert names(album.path) == old
    assert built.exists()
