"""Encrypted backups: read by their recipients and nobody else, as a stream, with errors that say what to do."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest

from hubwatch_core.errors import BadCall, Permanent
from hubwatch_store.backup.archive import FORMAT, Manifest, Table, opened, verify, writing
from hubwatch_store.backup.encryption import BEGINNING, RECIPIENT, make_identity
from support.children import run

ROWS = os.urandom(150_000).hex().encode()
"""They do not pack well: the file has several of the pieces that are encrypted one by one."""


def quiet(_table: str, _size: int) -> None:
    """Say nothing of the progress."""


def backup(folder: Path, *recipients: str) -> Path:
    path = folder / "hub.backup"
    table = Table("reading", ["a"], 1, len(ROWS), hashlib.sha256(ROWS).hexdigest())
    with writing(path, quiet, recipients) as archive:
        archive.add("reading", [ROWS])
        archive.finish(Manifest(FORMAT, "0.1.0", "2026-11-29T00:00:00+00:00", "plain", [], [table], {}))
    return path


@pytest.fixture
def ours(tmp_path: Path) -> tuple[Path, str]:
    """An identity's file and its recipient."""
    file = tmp_path / "ours.key"
    return file, make_identity(file)


def test_recipient_reads_it_and_the_file_shows_nothing(tmp_path: Path, ours: tuple[Path, str]) -> None:
    identity, recipient = ours
    path = backup(tmp_path, recipient)
    content = path.read_bytes()
    assert content.startswith(BEGINNING)
    assert not any(plain in content for plain in (b"reading.csv", b"manifest.json"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert verify(path, quiet, identity=identity).tables[0].name == "reading"


def test_what_age_reads_is_the_backup_itself(tmp_path: Path, ours: tuple[Path, str]) -> None:
    identity, recipient = ours
    key = identity.read_text(encoding="utf-8").splitlines()[-1]
    plain = pyrage.decrypt(backup(tmp_path, recipient).read_bytes(), [pyrage.x25519.Identity.from_str(key)])
    (tmp_path / "plain").write_bytes(plain)
    assert verify(tmp_path / "plain", quiet).tables[0].name == "reading"


def test_each_recipient_reads_it_alone(tmp_path: Path, ours: tuple[Path, str]) -> None:
    other = tmp_path / "other.key"
    path = backup(tmp_path, ours[1], make_identity(other))
    assert verify(path, quiet, identity=ours[0]) == verify(path, quiet, identity=other)


def test_identity_is_for_its_owner_alone_and_never_written_over(ours: tuple[Path, str]) -> None:
    identity, recipient = ours
    assert stat.S_IMODE(identity.stat().st_mode) == 0o600
    assert RECIPIENT.fullmatch(recipient)
    with pytest.raises(Permanent, match="exists already"):
        make_identity(identity)


def test_strangers_and_those_without_an_identity_are_told_what_to_do(tmp_path: Path, ours: tuple[Path, str]) -> None:
    path = backup(tmp_path, ours[1])
    strange, none, readable = tmp_path / "strange.key", tmp_path / "none.key", tmp_path / "readable.key"
    make_identity(strange)
    none.touch(0o600)
    none.write_text("# nothing\nAGE-SECRET-KEY-1\n", encoding="utf-8")
    readable.write_bytes(ours[0].read_bytes())
    readable.chmod(0o644)
    for identity, says in (
        (None, r"is encrypted: name the identity .*--identity"),
        (strange, r"is not encrypted for .*strange\.key: use the identity of a recipient"),
        (none, r"none\.key holds no identity"),
        (readable, r"chmod 600"),
        (tmp_path / "gone.key", r"cannot be read"),
    ):
        with pytest.raises(Permanent, match=says) as caught:
            verify(path, quiet, identity=identity)
        assert "AGE-SECRET-KEY-1" not in str(caught.value).replace("(AGE-SECRET-KEY-1…)", "")


@pytest.mark.parametrize("left", [30, 150, 70_000, 131_500, -1])
def test_file_that_was_cut_off_is_refused_before_anything_of_it_is_used(
    tmp_path: Path, ours: tuple[Path, str], left: int
) -> None:
    path = backup(tmp_path, ours[1])
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(Permanent, match="cut off or damaged"), opened(path, ours[0]):
        pytest.fail("it was opened")


def test_file_that_was_changed_is_refused_before_anything_of_it_is_used(tmp_path: Path, ours: tuple[Path, str]) -> None:
    path = backup(tmp_path, ours[1])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Permanent, match="cut off or damaged"), opened(path, ours[0]):
        pytest.fail("it was opened")


@pytest.mark.parametrize("text", ["age1", "AGE-SECRET-KEY-1", "kim", f"age1{'q' * 58}"])
def test_recipient_that_is_none_leaves_no_backup(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadCall, match="is no recipient"):
        backup(tmp_path, text)
    assert list(tmp_path.iterdir()) == []


def test_disk_that_is_full_is_told_and_leaves_no_backup(tmp_path: Path, ours: tuple[Path, str]) -> None:
    with pytest.raises(Permanent, match="File too large"):
        limited(tmp_path, f"""
with writing(Path({str(tmp_path / "b")!r}), lambda *_: None, [{ours[1]!r}]) as archive:
    for number in range(64):
        archive.add(str(number), [os.urandom(1 << 20)])
""")  # fmt: skip
    assert not list(tmp_path.glob("b*"))


def test_folder_for_what_is_decrypted_that_is_full_is_told(tmp_path: Path, ours: tuple[Path, str]) -> None:
    path = backup(tmp_path, ours[1])
    with pytest.raises(Permanent, match=r"cannot be decrypted in .*: File too large; name another folder with TMPDIR"):
        limited(tmp_path, f"""
with opened(Path({str(path)!r}), Path({str(ours[0])!r})):
    pass
""", most=50_000)  # fmt: skip


def limited(folder: Path, code: str, most: int = 4 << 20) -> None:
    """Run code in a process that may write no file larger than `most`; raises the Permanent that it ends with."""
    script = f"""
import os, resource, signal, sys
from pathlib import Path
from hubwatch_core.errors import Permanent
from hubwatch_store.backup.archive import opened, writing
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))
def work():
    {code.strip().replace(chr(10), chr(10) + "    ")}
try:
    work()
except Permanent as error:
    sys.exit(str(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    if done.returncode:
        raise Permanent(done.stderr.strip())


def test_memory_does_not_depend_on_the_size(tmp_path: Path, ours: tuple[Path, str]) -> None:
    def peak_kib(mib: int) -> int:
        script = f"""
import os, resource
from pathlib import Path
from hubwatch_store.backup.archive import opened, writing
path = Path({str(tmp_path)!r}) / "backup-{mib}"
with writing(path, lambda *_: None, [{ours[1]!r}]) as archive:
    archive.add("reading", [os.urandom(1 << 18)] * ({mib} * 4))
with opened(path, Path({str(ours[0])!r})) as backup:
    assert backup.plain.seek(0, 2) > {mib} << 20
path.unlink()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
        return int(done.stdout)

    assert peak_kib(48) < peak_kib(8) + (16 << 10)


def test_command_makes_an_identity_and_refuses_a_recipient_that_is_none(tmp_path: Path) -> None:
    made = run("db", "backup-identity", str(tmp_path / "site.key"))
    assert made.returncode == 0
    assert RECIPIENT.fullmatch(made.stdout.strip())
    assert "Keep copies" in made.stderr
    done = run("db", "backup", str(tmp_path / "b"), "--recipient", "kim", "--dsn", "postgresql://nobody@127.0.0.1:1/x")
    assert (done.returncode, "'kim' is no recipient" in done.stderr) == (2, True)


def test_recipients_of_the_hubs_file_are_checked_and_used(tmp_path: Path, ours: tuple[Path, str]) -> None:
    config = tmp_path / "hub.toml"
    config.write_text(f'[backup]\nrecipients = ["{ours[1]}", "age1kim"]\n', encoding="utf-8")
    checked = run("up", "-c", str(config), "--check-config")
    assert (checked.returncode, "backup.recipients[1]: is no recipient" in checked.stderr) == (2, True)
    config.write_text(f'[backup]\nrecipients = ["{ours[1]}"]\n', encoding="utf-8")
    assert run("up", "-c", str(config), "--check-config").returncode == 0


def test_without_the_library_it_says_what_to_install(tmp_path: Path) -> None:
    script = """
import sys
sys.modules["pyrage"] = None
sys.argv[1:] = ["db", "backup", "b", "--recipient", "age1", "--dsn", "postgresql://nobody@127.0.0.1:1/x"]
from hubwatch_ops.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (1, "hubwatch: pyrage is not installed: pip install 'hubwatch[backup]'\n")
