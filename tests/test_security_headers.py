"""What browsers are told: policies of pages, answers and originals, and who may ask from where."""

import re
import shutil
import subprocess

import httpx
import numpy as np
import pytest

from index import Item, Row
from service.access.headers import PAGE_POLICY
from service.media_types import shown_as
from tests.small_embedder import DIM

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ALL_SITES = {"sec-fetch-site": "cross-site", "origin": "https://stranger.example"}


def directives(response):
    """name -> sources of the answer's content security policy."""
    words = [each.split() for each in response.headers["content-security-policy"].split(";")]
    return {name: sources for name, *sources in filter(None, words)}


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/v1/models",
        "/nowhere",
        "/v1/collections/missing",
        "/metrics",
        "/docs",
        "/",
        "/openapi.json",
    ],
)
def test_every_answer_is_protected(client, path):
    """Answers, errors and pages alike; nothing of them may be framed, guessed at or told to others."""
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "microphone=(self)" in headers["permissions-policy"]
    assert headers["x-request-id"]


def test_answers_to_refused_and_broken_requests_are_protected_too(serve, client):
    """401 and 400 as well, and answers to HEAD."""
    closed = serve(api_keys="app:read:secret-0123456789abc")
    for answer in (
        closed.get("/v1/models"),
        client.post("/v1/embeddings", content=b"{"),
        client.head("/docs"),
    ):
        assert answer.status_code in {200, 400, 401}
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"]


def test_pages_run_their_own_scripts_only(client):
    """No inline script or style, nothing from elsewhere; pictures and sounds also from memory."""
    for path in ("/docs", "/docs/start.js"):
        policy = directives(client.get(path))
        assert policy["default-src"] == ["'self'"]
        assert policy["script-src"] == ["'self'"]
        assert policy["style-src"] == ["'self'"]
        assert policy["img-src"] == ["'self'", "data:", "blob:"]
        assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == ["'none'"]
    assert directives(client.get("/v1/models"))["default-src"] == ["'none'"]


def test_the_description_needs_nothing_from_elsewhere(client):
    """Everything that /docs loads is here, and no address of another host stands in the page."""
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert "docs/swagger-ui-bundle.js" in loaded
    assert not re.search(r"https?://|<script>|<style|\son\w+=", page.text)
    for address in loaded:
        if not address.startswith("data:"):
            assert client.get(f"/{address}").status_code == 200
    assert 'url: "openapi.json"' in client.get("/docs/start.js").text
    assert client.get("/docs/core.py").status_code == 404
    assert client.get("/docs/..%2fcore.py").status_code == 404


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_shows_the_description_under_the_policy(client):
    """Chromium, which reaches nothing but this machine, draws every path and reports no violation."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    address = f"{client.base_url}/docs"
    run = subprocess.run(
        [CHROMIUM, *options, "--host-resolver-rules=MAP * 127.0.0.1", "--virtual-time-budget=20000", address],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert 'data-path="/v1/embeddings"' in run.stdout
    assert "Content Security Policy" not in run.stderr


HOSTILE = b"<!DOCTYPE html><script>alert(document.domain)</script>"


def test_originals_never_become_pages(client, collection):
    """A text that is HTML comes back as plain text under a sandbox, under a percent-encoded name."""
    items = [{"id": 'x"/é.html', "content": HOSTILE.decode()}]
    assert client.post(f"{collection}/items", json={"items": items}).json()["stored"] == 1
    answer = client.get(f"{collection}/items/x%22%2F%C3%A9.html/media")
    assert answer.content == HOSTILE
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "sandbox" in directives(answer)
    assert directives(answer)["default-src"] == ["'none'"]
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''%C3%A9.html"


def test_a_type_that_a_collection_should_not_have_is_not_served(client, collection, server):
    """Even where the collection says text/html, as one made elsewhere might, the file is only saved."""
    vector = np.eye(DIM, dtype=np.float32)[0]
    item = Item(id="a", modality="image", rows=(Row(vector),), media=HOSTILE, media_type="text/html")
    server[0].state.engine.store.get(collection.rsplit("/", 1)[1]).upsert([item])
    answer = client.get(f"{collection}/items/a/media")
    assert answer.content == HOSTILE
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("stored", "served"),
    [
        ("image/png", ("image/png", "inline")),
        ("AUDIO/WAV", ("audio/wav", "inline")),
        ("text/plain; charset=utf-16", ("text/plain; charset=utf-8", "inline")),
        ("text/csv", ("text/csv", "attachment")),
        ("image/tiff", ("image/tiff", "attachment")),
        ("image/svg+xml", ("application/octet-stream", "attachment")),
        ("text/html", ("application/octet-stream", "attachment")),
        ("application/xhtml+xml", ("application/octet-stream", "attachment")),
        ("application/pdf", ("application/octet-stream", "attachment")),
        (None, ("application/octet-stream", "attachment")),
    ],
)
def test_only_what_runs_nothing_is_shown(stored, served):
    """Pictures, sounds, videos and plain text; the rest is saved, what is not known without its type."""
    assert shown_as(stored) == served


def test_pages_of_other_sites_change_nothing_without_keys(client, collection):
    """A browser's form to this machine is refused; our own pages, other programs and reading go on."""
    item = {"items": [{"content": "a"}]}
    refused = client.post(f"{collection}/items", json=item, headers=ALL_SITES)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "cross_site_request"
    assert "SENSORIUM_CORS_ORIGINS" in refused.json()["error"]["message"]
    assert client.delete(collection, headers=ALL_SITES).status_code == 403
    assert client.get(collection, headers=ALL_SITES).json()["items"] == {}
    for site in ("same-origin", "same-site", "none"):
        assert (
            client.post(f"{collection}/items", json=item, headers={"sec-fetch-site": site}).status_code == 200
        )


def test_the_origin_tells_where_a_browser_marks_nothing(client, collection):
    """Towards plain addresses of other machines browsers leave their mark out; the page's origin comes."""
    own = f"http://{client.base_url.host}:{client.base_url.port}"
    item = {"items": [{"content": "a"}]}
    for origin, status in (("http://stranger.example", 403), ("null", 403), (own, 200), (own.upper(), 200)):
        answer = client.post(f"{collection}/items", json=item, headers={"origin": origin})
        assert answer.status_code == status, origin


def test_pages_that_are_named_may_ask(serve, tmp_path):
    """An origin of the setting, with a preflight that needs no key; pictures may then be embedded there."""
    friend = {"sec-fetch-site": "cross-site", "origin": "https://friend.example"}
    client = serve(cors_origins="https://friend.example")
    assert client.put("/v1/collections/c", headers=friend).status_code == 201
    assert client.put("/v1/collections/d", headers=ALL_SITES).status_code == 403
    assert client.get("/v1/models").headers["cross-origin-resource-policy"] == "cross-origin"
    closed = serve(
        cors_origins="https://friend.example",
        api_keys="app:read:secret-0123456789abc",
        data_dir=tmp_path / "other",
    )
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    preflight = closed.options("/v1/embeddings", headers={**friend, **asked})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://friend.example"
    assert closed.post("/v1/embeddings", headers=friend, json={"input": "a"}).status_code == 401


OWN_NAMES = "127.0.0.1:8000 localhost app.localhost:8000 [::1]:8000 testserver 192.168.0.7 sensorium.example"
REBOUND = "rebound.example rebound.example.:80 127.0.0.1.rebound.example user@rebound.example ["


def test_a_name_that_was_made_to_point_here_is_refused(serve):
    """On a loopback address without keys: dotted names are strangers', but for listed ones."""
    guarded = serve(allowed_hosts="sensorium.example")
    for host in OWN_NAMES.split():
        assert guarded.get("/v1/models", headers={"host": host}).status_code == 200
    for host in REBOUND.split():
        refused = guarded.get("/v1/models", headers={"host": host})
        assert refused.status_code == 421
        assert "SENSORIUM_ALLOWED_HOSTS" in refused.text


def test_names_do_not_matter_elsewhere(serve, tmp_path):
    """Where keys or the whole network decide who comes in, the host header does not."""
    secret = "secret-0123456789abc"
    closed = serve(api_keys=f"app:read:{secret}")
    headers = {"host": "public.example", "authorization": f"Bearer {secret}"}
    assert closed.get("/v1/models", headers=headers).status_code == 200
    public = serve(host="0.0.0.0", data_dir=tmp_path / "other")
    assert public.get("/v1/models", headers={"host": "public.example"}).status_code == 200


def test_the_policy_is_one_that_browsers_read(client):
    """Sent once, as one line, the same for both pages."""
    answer = httpx.get(f"{client.base_url}/docs")
    assert answer.headers.get_list("content-security-policy") == [PAGE_POLICY]
