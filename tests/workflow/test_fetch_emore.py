"""Fetching the published archive, from a server on this machine, by the workflow and by cdp.fetch alone."""

import gzip
import http.server
import io
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from cdp import fetch

ROOT = Path(__file__).parents[2]
MODELS = ("nas", "resnet50", "resnet101", "densenet121", "ir")
DIM = 256
SAMPLES = 400
DIMS = {"emore_u200k": DIM, "emore_l200k": DIM}


class Server(http.server.ThreadingHTTPServer):
    """Serves `body` whatever the path; `fault` says what goes wrong, `ranges` what has been asked for."""

    daemon_threads = True

    def __init__(self, body=b""):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.kind, self.fault, self.ranges = body, "application/gzip", None, []
        self.release = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/data.tar.gz"

    def handle_error(self, request, client_address):
        """Clients that are killed are part of the tests."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.ranges.append(asked)
        if server.fault == "missing":
            return self.send_error(404)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and server.fault != "no ranges" else 0
        body = server.body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", server.kind)
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.body) - 1}/{len(server.body)}")
        self.end_headers()
        half = len(body) if server.fault in (None, "no ranges") else len(body) // 2
        self.wfile.write(body[:half])
        self.wfile.flush()
        if server.fault == "stalls":
            server.release.wait(30)
        if server.fault == "breaks once":
            server.fault = None
        return None

    def log_message(self, *args):
        """No noise."""


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.release.set()
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.chdir(tmp_path)


def content(samples=SAMPLES):
    """The files of a small archive with the published layout."""
    rng = np.random.default_rng(0)
    files = {}
    for folder in ("data/labeled/emore_l200k", "data/unlabeled/emore_u200k"):
        files[f"{folder}/list.txt"] = b"".join(b"%06d.jpg\n" % i for i in range(samples))
        files[f"{folder}/meta.txt"] = b"".join(b"%d\n" % (i // 10) for i in range(samples))
        for model in MODELS:
            files[f"{folder}/features/{model}.bin"] = rng.normal(size=(samples, DIM)).astype(np.float32).tobytes()
    return files


FILES = content()
SMALL = content(samples=4)
LIST = "data/unlabeled/emore_u200k/list.txt"
IR = "data/unlabeled/emore_u200k/features/ir.bin"


def packed(files, *, prefix="", extra=()):
    """A .tar.gz of `files`, with their folders, and of further members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as archive:
        for folder in sorted({parent for name in files for parent in map(str, list(Path(name).parents)[:-1])}):
            member = tarfile.TarInfo(prefix + folder)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(member)
        for name, data in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in extra:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return stream.getvalue()


ARCHIVE = packed(FILES)


def listing(files):
    return "".join(f"{name}\t{len(data)}\n" for name, data in sorted(files.items()))


def unpacked():
    return {path.as_posix(): path.read_bytes() for path in Path("data").glob("*labeled/**/*") if path.is_file()}


def snakemake(*arguments, url=None):
    config = ["--config", f"fetch_emore={{url: {url}}}"] if url else []
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--directory", ".", "--cores", "1"]
    return subprocess.run([*command, *arguments, *config], capture_output=True, text=True, timeout=120, check=False)


def fetch_data(url, **options):
    return fetch.fetch_data(url, dims=DIMS, retries=0, timeout=10, **options)


def put_archive(data):
    Path("data").mkdir()
    Path("data/data.tar.gz").write_bytes(data)


class TestWorkflow:
    def test_the_way_from_nothing_to_a_plan(self, server):
        server.body = packed(FILES, prefix="./")
        Path("data/labeled").mkdir(parents=True)

        before = snakemake("-n", "results/emore_u200k/table.md")
        assert before.returncode == 1
        assert "Traceback" not in before.stdout + before.stderr
        (sentence,) = [line for line in before.stderr.splitlines() if line.startswith("error: ")]
        assert re.search(r"data/\S+/features/nas.npy is missing \(so is nas.bin\)", sentence)
        assert "`snakemake --cores 1 fetch_emore`" in sentence

        done = snakemake("fetch_emore", url=server.url)
        assert done.returncode == 0, done.stderr
        assert unpacked() == FILES
        assert Path("results/fetch_emore.txt").read_text() == listing(FILES)
        assert not list(Path("data").glob("*.part"))

        after = snakemake("-n", "results/emore_u200k/table.md")
        assert after.returncode == 0, after.stderr
        assert "train_mediator" in after.stdout + after.stderr

        Path(IR).unlink()
        again = snakemake("fetch_emore", url=server.url)
        assert again.returncode == 0, again.stderr
        assert unpacked() == FILES
        assert len(server.ranges) == 1  # the archive was still there

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            ("missing", "cannot download {url}: the server answers 404 Not Found;"),
            ("refused", "cannot download {url}: no connection to the server (ConnectionError);"),
            ("web page", "{url} gives a web page instead of a .tar.gz archive"),
            ("damaged", "data/data.tar.gz is damaged or incomplete ("),
            ("unsafe", "data/data.tar.gz holds '../x', which is outside of its folder, so"),
            ("disagreeing", "data/unlabeled/emore_u200k/features/resnet50.bin has 3 samples but data/"),
        ],
    )
    def test_a_fault_ends_the_run_with_one_sentence(self, server, fault, words):
        server.body = packed(SMALL)
        url = server.url
        if fault == "missing":
            server.fault = fault
        elif fault == "refused":
            url = "http://127.0.0.1:9/data.tar.gz"  # the discard port, which nobody listens at
        elif fault == "web page":
            server.body, server.kind = b"<!DOCTYPE html><html>Quota exceeded</html>", "text/html"
        elif fault == "damaged":
            server.body = server.body[: len(server.body) // 2]
        elif fault == "unsafe":
            server.body = packed(SMALL, extra=[tarfile.TarInfo("../x")])
        elif fault == "disagreeing":
            name = "data/unlabeled/emore_u200k/features/resnet50.bin"
            server.body = packed(SMALL | {name: SMALL[name][: 3 * 4 * DIM]})

        run = snakemake("fetch_emore", url=url)

        assert run.returncode == 1
        assert "Traceback" not in run.stdout + run.stderr
        errors = {line.strip() for line in run.stderr.splitlines() if line.strip().startswith("error: ")}
        (sentence,) = errors
        assert words.format(url=url) in sentence
        assert not Path("results/fetch_emore.txt").exists()
        assert not Path("x").exists()

    def test_an_address_that_is_none_is_named(self):
        run = snakemake("-n", "fetch_emore", url="ftp://127.0.0.1/data.tar.gz")
        assert run.returncode == 1
        assert "error: config: fetch_emore.url: 'ftp://127.0.0.1/data.tar.gz'" in run.stderr
        assert "Traceback" not in run.stderr


class TestDownload:
    def test_a_broken_transfer_goes_on_in_the_next_run(self, server):
        server.body, server.fault = ARCHIVE, "breaks"
        with pytest.raises(
            ValueError, match=r"^cannot download http\S+: .*received \d+ bytes but .* run again to go on"
        ):
            fetch_data(server.url)
        (part,) = Path("data").glob("*.part")
        kept = part.stat().st_size
        assert 0 < kept < len(ARCHIVE)
        assert not unpacked()

        server.fault = None
        fetch_data(server.url)
        assert server.ranges[-1] == f"bytes={kept}-"
        assert unpacked() == FILES
        assert sorted(path.name for path in Path("data").iterdir()) == ["data.tar.gz", "labeled", "unlabeled"]

    def test_a_broken_transfer_is_taken_up_in_the_same_run(self, server):
        server.body, server.fault = ARCHIVE, "breaks once"
        fetch.download(server.url, archive="data/data.tar.gz", retries=1)
        assert server.ranges[0] is None
        assert server.ranges[1].startswith("bytes=")
        assert Path("data/data.tar.gz").read_bytes() == ARCHIVE

    def test_a_killed_download_goes_on(self, server):
        server.body, server.fault = ARCHIVE, "stalls"
        program = f"from cdp.fetch import download; download({server.url!r}, archive='data/data.tar.gz')"
        with subprocess.Popen([sys.executable, "-c", program]) as process:
            deadline = time.monotonic() + 30
            while not any(part.stat().st_size for part in Path("data").glob("*.part")):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
        server.fault = None
        fetch.download(server.url, archive="data/data.tar.gz", retries=0)
        assert int(server.ranges[-1].removeprefix("bytes=").removesuffix("-")) > 0
        assert Path("data/data.tar.gz").read_bytes() == ARCHIVE

    def test_a_server_that_cannot_go_on(self, server):
        server.body, server.fault = ARCHIVE, "no ranges"
        Path("data").mkdir()
        part = Path("data/data.tar.gzabcdefgh.part")
        part.write_bytes(ARCHIVE[:1000])
        with pytest.raises(ValueError, match=f"remove {part} and run again to start over"):
            fetch_data(server.url)
        assert part.stat().st_size == 1000

    def test_a_part_of_a_web_page_is_not_continued(self, server):
        server.body = packed(SMALL)
        Path("data").mkdir()
        Path("data/data.tar.gzabcdefgh.part").write_bytes(b"<html>quota")
        fetch_data(server.url)
        assert server.ranges == [None]
        assert unpacked() == SMALL

    def test_a_web_page_is_not_kept(self, server):
        server.body = b"\n<html>Google Drive - Quota exceeded</html>"
        with pytest.raises(ValueError, match=f"^{server.url} gives a web page instead .* by hand to data/data.tar.gz"):
            fetch_data(server.url)
        assert not list(Path("data").iterdir())

    def test_google_drive_without_a_link(self, monkeypatch):
        import gdown

        def refuse(*args, **options):
            raise gdown.exceptions.FileURLRetrievalError(
                "Failed to retrieve file url:\n\n\tToo many\n\nBut Gdown can't."
            )

        monkeypatch.setattr(gdown, "download", refuse)
        with pytest.raises(ValueError, match=r"Google Drive gives no link to the file \(too many") as caught:
            fetch_data("https://drive.google.com/uc?id=1")
        assert "\n" not in str(caught.value)

    def test_an_archive_downloaded_by_hand_needs_no_connection(self):
        put_archive(packed(SMALL))
        files = fetch_data("http://127.0.0.1:9/")
        assert files == {name: len(data) for name, data in SMALL.items()}
        assert unpacked() == SMALL


class TestArchive:
    @pytest.mark.parametrize("keep", [1, 10, 20, 0.5, 0.99, -1])
    def test_a_truncated_one(self, keep):
        whole = packed(SMALL)
        put_archive(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
        with pytest.raises(
            ValueError, match=r"^data/data.tar.gz is damaged or incomplete \(.*\); delete it and run again"
        ):
            fetch_data("http://127.0.0.1:9/")
        assert not unpacked()

    @pytest.mark.parametrize("place", [0.01, 0.5, 0.95, -6])
    def test_a_corrupted_one(self, place):
        data = bytearray(packed(SMALL))
        data[int(place * len(data)) if isinstance(place, float) else place] ^= 0xFF
        put_archive(bytes(data))
        with pytest.raises(ValueError, match=r"^data/data.tar.gz is damaged or incomplete"):
            fetch_data("http://127.0.0.1:9/")
        assert not unpacked()

    @pytest.mark.parametrize(
        "data",
        [b"", b"\x1f\x8b", b"<html>", gzip.compress(b"", mtime=0), gzip.compress(b"no tar" * 999, mtime=0)],
        ids=["empty", "two bytes", "web page", "empty gzip", "no tar"],
    )
    def test_no_archive_at_all(self, data):
        put_archive(data)
        with pytest.raises(ValueError, match=r"^data/data.tar.gz (is damaged or incomplete|holds no data set)"):
            fetch_data("http://127.0.0.1:9/")

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("/data/labeled/x", tarfile.REGTYPE),
            ("data/labeled/../../x", tarfile.REGTYPE),
            ("../x", tarfile.REGTYPE),
            ("data/labeled/x\ny", tarfile.REGTYPE),
            ("data/labeled/\udcff", tarfile.REGTYPE),
            (LIST, tarfile.REGTYPE),
            ("data/../../x", tarfile.DIRTYPE),
            ("/x", tarfile.DIRTYPE),
            ("data/labeled/x", tarfile.SYMTYPE),
            ("data/labeled/x", tarfile.LNKTYPE),
            ("data/labeled/x", tarfile.CHRTYPE),
            ("data/labeled/x", tarfile.FIFOTYPE),
        ],
    )
    def test_unsafe_members_are_refused(self, name, kind):
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        put_archive(packed(SMALL, extra=[member]))
        before = sorted(Path().rglob("*"))
        with pytest.raises(ValueError, match=r"^data/data.tar.gz holds .*, so nothing was unpacked; delete it"):
            fetch_data("http://127.0.0.1:9/")
        assert sorted(Path().rglob("*")) == before


class TestUnpack:
    @pytest.mark.parametrize("name", ["x", "data/x", "data/labeled", "data/labeled/x", "data/other/x/y", "other/x"])
    def test_what_belongs_to_no_data_set_is_left_out(self, name):
        put_archive(packed(SMALL, extra=[tarfile.TarInfo(name)]))
        assert sorted(fetch_data("http://127.0.0.1:9/")) == sorted(SMALL)
        assert not Path(name).is_file()

    def test_what_the_user_put_there_stays(self, caplog):
        put_archive(packed(SMALL))
        Path(IR).parent.mkdir(parents=True)
        Path(LIST).write_bytes(b"a\nb\nc\nmine.jpg\n")
        Path(IR).write_bytes(SMALL[IR])
        Path(IR).with_name("own.npy").write_bytes(b"own")
        stamp = Path(IR).stat().st_mtime_ns
        files = fetch_data("http://127.0.0.1:9/")
        assert Path(LIST).read_bytes() == b"a\nb\nc\nmine.jpg\n"
        assert Path(IR).stat().st_mtime_ns == stamp
        assert Path(IR).with_name("own.npy").read_bytes() == b"own"
        assert files[LIST] == len(SMALL[LIST])
        warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert warnings == [
            f"{LIST} is not the archive's and stays as it is; remove it and run again to have the archive's"
        ]

    def test_a_link_of_the_user_stays(self):
        put_archive(packed(SMALL))
        Path("elsewhere").mkdir()
        Path("data/unlabeled").symlink_to(Path("elsewhere").resolve())
        Path(LIST).parent.mkdir()
        Path(LIST).symlink_to("nowhere")
        fetch_data("http://127.0.0.1:9/")
        assert os.readlink(LIST) == "nowhere"
        assert Path("elsewhere/emore_u200k/features/ir.bin").read_bytes() == SMALL[IR]

    @pytest.mark.parametrize(
        ("name", "data", "words"),
        [
            (IR, b"half a file", rf"^{IR} has 11 bytes, .*; {IR} is not the archive's: remove it and run again$"),
            (LIST, b"a\nb\n", rf"^{LIST} has 2 lines .*; {LIST} is not the archive's: remove it and run again$"),
        ],
    )
    def test_a_file_of_the_user_that_disagrees_is_named(self, name, data, words):
        put_archive(packed(SMALL))
        Path(name).parent.mkdir(parents=True)
        Path(name).write_bytes(data)
        with pytest.raises(ValueError, match=words):
            fetch_data("http://127.0.0.1:9/")
        assert Path(name).read_bytes() == data
        Path(name).unlink()
        fetch_data("http://127.0.0.1:9/")
        assert unpacked() == SMALL

    @pytest.mark.parametrize(
        ("name", "data", "words"),
        [
            (IR, SMALL[IR][:-4], "bytes, which is no multiple of 1024"),
            (IR, SMALL[IR][: 3 * 4 * DIM], "has 3 samples but"),
            (LIST, b"a\nb\n", "has 2 lines for"),
            (LIST.replace("list", "meta"), b"1\n2\n", "has 2 lines for 4 samples"),
        ],
    )
    def test_an_archive_whose_files_disagree(self, name, data, words):
        put_archive(packed(SMALL | {name: data}))
        with pytest.raises(ValueError, match=rf"^data/unlabeled/emore_u200k/.*{words}.* \(as in data/data.tar.gz\)$"):
            fetch_data("http://127.0.0.1:9/")

    def test_a_kill_leaves_no_half_file(self):
        put_archive(ARCHIVE)
        program = """
import os, shutil, signal
from cdp import fetch
copy, count = shutil.copyfileobj, 0
def die_in_the_fifth(source, target, length):
    global count
    count += 1
    if count == 5:
        target.write(source.read(1000))
        target.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    copy(source, target, length)
shutil.copyfileobj = die_in_the_fifth
fetch.fetch_data("http://127.0.0.1:9/")
"""
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
        left = unpacked()
        whole = {name: data for name, data in left.items() if name in FILES}
        assert len(whole) == 4
        assert all(FILES[name] == data for name, data in whole.items())
        (temporary,) = set(left) - set(whole)
        assert Path(temporary).name.startswith(".")
        assert len(left[temporary]) == 1000
        fetch_data("http://127.0.0.1:9/")
        assert unpacked() == FILES

    def test_a_full_disk_is_one_sentence(self, monkeypatch):
        put_archive(packed(SMALL))

        def full(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(fetch.shutil, "copyfileobj", full)
        with pytest.raises(
            ValueError, match=r"^cannot write data/\S+ \(no room left on the disk .*\); .* run again to go on"
        ):
            fetch_data("http://127.0.0.1:9/")
        assert not unpacked()
