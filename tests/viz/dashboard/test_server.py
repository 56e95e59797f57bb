"""The server answers this machine alone, and nothing that it is sent does harm."""

from __future__ import annotations

import base64
import json
import socket
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rbgp_graphs as rg

pytest.importorskip("dash", reason="dash is not installed")

from rbgp_graphs.viz.dashboard import subjects
from rbgp_graphs.viz.dashboard.server import listen
from rbgp_graphs.viz.dashboard.state import State
from rbgp_graphs.viz.dashboard.subjects import LARGEST_FILE_BYTES, Shelf, read_bytes

SMALL = "?rows=64&cols=64&sparsity=0.75"


@pytest.fixture(scope="module")
def app() -> Any:
    return rg.viz.app(rg.projective_plane(3))


def get(app: Any, path: str, **headers: str) -> Any:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.server.test_client().get(path, headers={"Host": "127.0.0.1:8050", **names})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8050", "localhost:1", "[::1]:8050"])
def test_names_of_this_machine_are_answered(app: Any, host: str) -> None:
    assert get(app, "/", Host=host).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8050", "", "x y"]
)
@pytest.mark.parametrize("path", ["/", "/_dash-layout", "/download/pattern.rbgp", "/assets/app.js"])
def test_foreign_names_are_refused(app: Any, host: str, path: str) -> None:
    answer = get(app, path, Host=host)
    assert answer.status_code == 400
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_a_further_name_can_be_allowed() -> None:
    app = rg.viz.app(hosts=["build.example"])
    assert get(app, "/", Host="build.example:80").status_code == 200
    with pytest.raises(rg.errors.ArgumentTypeError, match="several names"):
        rg.viz.app(hosts="build.example")


def test_other_pages_may_link_but_not_fetch(app: Any) -> None:
    foreign = {"Sec_Fetch_Site": "cross-site"}
    assert get(app, "/", Sec_Fetch_Mode="navigate", **foreign).status_code == 200
    assert get(app, "/_dash-layout", Sec_Fetch_Mode="no-cors", **foreign).status_code == 403
    assert get(app, "/_dash-layout", Sec_Fetch_Mode="cors", **foreign).status_code == 403


def test_the_policy_lets_nothing_foreign_in(app: Any) -> None:
    page = get(app, "/")
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe-eval" not in policy
    assert "http" not in policy.replace("sha256", "")
    assert "'unsafe-inline'" not in policy.split("style-src")[0]
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    text = page.get_data(as_text=True)
    assert '<html lang="en">' in text
    assert not [part for part in text.split('src="')[1:] if not part.startswith("/")]
    assert '"ui":false' in text.replace(" ", "")
    assert not app.server.debug


def test_downloads_are_the_pattern(app: Any, tmp_path: Path) -> None:
    pattern = rg.design(64, 64, 0.75, row_group=4, device="default")
    query = SMALL + "&source=design"
    found = rg.loads(get(app, "/download/pattern.rbgp" + query).data).obj
    assert found == pattern
    for name in ("mask.npz", "mask.mtx"):
        place = tmp_path / name
        answer = get(app, f"/download/{name}{query}")
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        place.write_bytes(answer.data)
        mask = rg.export.read_mask(place).biadjacency().toarray()
        assert np.array_equal(mask, pattern.mask())
    page = get(app, "/download/report.html").get_data(as_text=True)
    assert "13\u00a0×\u00a013" in page


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/download/pattern.rbgp?rows=1000&source=design", 422, "no connected biregular"),
        ("/download/pattern.rbgp?source=m.0123456789abcdef", 422, "open it again"),
        ("/download/pattern.rbgp?source=z.AAAA", 422, "damaged"),
        ("/download/pattern.rbgp?rows=<script>", 422, "whole number"),
        ("/download/passwd", 404, "no such file"),
        ("/shared/page.py", 404, "no such file"),
    ],
)
def test_what_cannot_be_downloaded_is_explained(
    app: Any, path: str, status: int, message: str
) -> None:
    answer = get(app, path)
    assert answer.status_code == status
    assert message in answer.get_data(as_text=True)
    assert answer.content_type.startswith("text/plain")


def test_a_mask_too_large_for_memory_is_refused(app: Any) -> None:
    query = "?rows=65536&cols=65536&sparsity=0.5&source=design"
    answer = get(app, "/download/mask.npz" + query)
    assert answer.status_code == 422
    assert "max_bytes" in answer.get_data(as_text=True)


def post(app: Any, body: Any, content_type: str = "application/json", **headers: str) -> Any:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    names = {"Host": "localhost:8050", "Content-Type": content_type, **names}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return app.server.test_client().post("/answer", data=data, headers=names)


FIRST = {"state": None, "draft": None, "events": [["url", ""]], "scheme": "light"}


def test_events_of_this_page_are_answered(app: Any) -> None:
    answer = post(app, FIRST, Origin="http://localhost:8050", Sec_Fetch_Site="same-origin")
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    found = json.loads(answer.data)
    assert set(found["plots"]) == {"pattern"}
    for name in ("about", "section"):
        part = get(app, f"/part/{name}/{found['keys'][name]}")
        assert part.status_code == 200
        assert json.loads(part.data)["props"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 400),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:8051"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "cors"}, 403),
        ({"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "navigate"}, 403),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_events_of_other_pages_are_refused(app: Any, headers: Any, status: int) -> None:
    answer = post(app, FIRST, **headers)
    assert answer.status_code == status
    assert b"plots" not in answer.data


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"{", b"[" * 100_000, b'{"events": 1}', b'{"events": [[1, 2]]}',
        b'{"events": [["url"]]}', b'{"events": [], "scheme": "pink"}', b"\xff",
        b'{"events": [], "scheme": "light", "state": "?rows=1"}',
        b'{"events": [], "scheme": "light", "draft": 5}',
    ],
)  # fmt: skip
def test_what_no_page_sends_is_refused_and_explained(app: Any, body: bytes) -> None:
    answer = post(app, body)
    assert answer.status_code == 422
    assert answer.content_type.startswith("text/plain")
    assert answer.get_data(as_text=True).startswith("The request is not one of this page")


def test_a_request_beyond_the_limit_is_refused(app: Any) -> None:
    assert post(app, b"x" * (LARGEST_FILE_BYTES * 4 // 3 + (2 << 20))).status_code == 413


def test_a_part_that_is_none_is_refused(app: Any) -> None:
    assert get(app, "/part/passwd/light").status_code == 422
    assert get(app, "/part/section/pink").status_code == 422
    assert get(app, "/part/about/light?rows=x").status_code == 422


def test_the_library_is_sent_once(app: Any) -> None:
    answer = get(app, "/shared/plotly.js")
    assert answer.status_code == 200
    assert get(app, "/shared/plotly.js", If_None_Match=answer.headers["ETag"]).status_code == 304


def test_host_and_port_are_explicit(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def served(self: Any, poll_interval: float = 0.5) -> None:
        seen.append(self.server_address)

    monkeypatch.setattr("socketserver.BaseServer.serve_forever", served)
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("DASH_DEBUG", "true")
    app.run(port=0)
    assert seen[0][0] == "127.0.0.1"
    assert seen[0][1] > 1023
    with pytest.raises(rg.ArgumentError, match="debug"):
        app.run(debug=True)


def test_a_port_in_use_is_explained(app: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(rg.ArgumentError, match=f"port {port} of 127.0.0.1 is in use.*another"):
            listen(app, "127.0.0.1", port)
    with pytest.raises(rg.ArgumentError, match="cannot listen on 192"):
        listen(app, "192.0.2.1", 0)


def test_small_files_are_part_of_the_address_and_large_ones_are_kept() -> None:
    shelf = Shelf(None)
    plane = rg.projective_plane(3)
    token = shelf.open("plane.rbgp", rg.dumps(plane))
    assert token.startswith("z.")
    state = State()
    assert Shelf(None).subject(token, state) == plane
    mask = rg.products.unstructured(512, 512, 0.5)
    token = shelf.open("mask.RBGP", rg.dumps(mask))
    assert token.startswith("m.")
    assert shelf.subject(token, state) == mask
    for side in range(100, 100 + subjects._MOST_OPEN):
        shelf.open("mask.rbgp", rg.dumps(rg.products.unstructured(side, 900, 0.5)))
    with pytest.raises(rg.ArgumentError, match="no longer in memory"):
        shelf.subject(token, state)


def test_masks_of_other_formats_are_read(tmp_path: Path) -> None:
    graph = rg.projective_plane(2)
    for suffix in (".npz", ".mtx", ".csv", ".s6", ".json"):
        rg.export.write(tmp_path / f"mask{suffix}", graph)
        found = read_bytes(f"mask{suffix}", (tmp_path / f"mask{suffix}").read_bytes())
        assert found.shape == graph.shape


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("evil.pt", b"", "the suffix '.pt'"),
        ("evil", b"", "the suffix ''"),
        ("evil.rbgp", b"nothing", ""),
        ("evil.npz", b"PK\3\4", "^the file"),
        ("../../evil.npy", b"\x93NUMPY", "^the file"),
        ("evil.mtx", b"%%MatrixMarket matrix coordinate real general\n9999999 2 1\n1 1 1\n", ""),
        ("evil.csv", b"x" * (LARGEST_FILE_BYTES + 1), "is larger than"),
    ],
)
def test_files_that_are_none_are_refused(name: str, data: bytes, message: str) -> None:
    with pytest.raises(rg.RBGPError, match=message or None) as found:
        read_bytes(name, data)
    assert "tmp" not in str(found.value)


def test_a_bomb_in_an_address_is_not_unpacked() -> None:
    packed = zlib.compress(b"\0" * (LARGEST_FILE_BYTES + 1), 9)
    token = "z." + base64.urlsafe_b64encode(packed).decode().rstrip("=")
    with pytest.raises(rg.ArgumentError, match="too large"):
        subjects._unpacked(token)


def test_the_page_says_what_it_starts_with(app: Any) -> None:
    found = json.loads(get(app, "/_dash-layout").data)
    assert "Show the file" in json.dumps(found)


def test_a_pattern_beyond_the_limit_is_refused() -> None:
    with pytest.raises(rg.ArgumentError, match="up to 1,048,576"):
        rg.viz.app(rg.RBGP4(rg.complete(4, 4), (1 << 20, 1), rg.complete(2, 2), (1, 1)))
