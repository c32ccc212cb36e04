"""API keys: who is let in, with which scopes, and that secrets stand nowhere."""

import base64
import http.client
import json
import logging
import os
import re
import subprocess
import sys
import time

import httpx
import openai
import pytest
from fastapi.routing import APIRoute
from starlette.routing import compile_path
from typer.testing import CliRunner

from service import logs
from service.access.keyring import Keyring
from service.access.keys import Key, digest_of, keys_of_file, line_of
from service.access.scopes import OPEN, ROUTES, needed
from service.app import create_app
from service.cli import cli
from service.settings import Settings
from tests import media_files as files
from tests.conftest import running, wait_until_ready
from tests.small_embedder import small_embedder

READER, WRITER, ADMIN = "reader-secret-0123456", "writer-secret-0123456", "admin-secret-01234567"
KEYS = f"reader:read:{READER},writer:write:{WRITER},admin:admin:{ADMIN}"


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A server with a reader's, a writer's and an administrator's key."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("closed"), api_keys=KEYS)
    with running(create_app(settings, small_embedder())) as url, httpx.Client(base_url=url) as client:
        wait_until_ready(url)
        yield client


def bearer(secret):
    return {"authorization": f"Bearer {secret}"}


def error_of(response):
    return response.json()["error"]


def routes_of(app):
    """(method, path) of every route, those that FastAPI adds by itself too."""
    own = [each for each in app.routes if getattr(each, "path", None)]
    return {
        (method, route.path)
        for route in [*app.state.routes, *own]
        for method in route.methods - {"HEAD", "OPTIONS"}
    }


def test_every_route_stands_in_the_table_of_scopes():
    """No route is without its row, and nothing else hangs at the application."""
    app = create_app(Settings())
    assert routes_of(app) - set(ROUTES) == set()
    assert all(isinstance(each, APIRoute) for each in app.state.routes)
    assert len(app.state.routes) > 25


def filled_in(path):
    return re.sub(r"\{[^}]*\}", "x", path)


@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
def test_a_request_finds_the_row_of_its_route(method, path):
    """The table looks paths up as the router does."""
    assert needed(method, filled_in(path)) == ROUTES[method, path]
    assert compile_path(path)[0].match(filled_in(path))


@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
def test_each_scope_opens_its_routes_and_no_other(closed, method, path):
    """Without a key 401, with one that lacks the scope 403; with the right one the route itself answers."""
    scope, address = ROUTES[method, path], filled_in(path)
    bare = closed.request(method, address)
    if scope == OPEN:
        assert bare.status_code != 401
        return
    assert bare.status_code == 401
    assert bare.headers["www-authenticate"].startswith("Bearer")
    for secret, has in ((READER, "read"), (WRITER, "write"), (ADMIN, "admin")):
        answer = closed.request(method, address, headers=bearer(secret))
        allowed = has in (scope, "admin")
        assert (answer.status_code == 403) is not allowed
        if not allowed:
            assert f"'{scope}'" in answer.text
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_without_keys_everything_is_open(client):
    """The default on loopback: no key is asked for, and one that is sent changes nothing."""
    assert client.get("/v1/models").status_code == 200
    assert client.get("/v1/models", headers=bearer("anything")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": f"Token {READER}"},
        {"authorization": READER},
        {"authorization": "Basic %%%"},
        {"authorization": "Bearer " + "x" * 4000},
        bearer(READER[:-1]),
        bearer(READER + "0"),
        bearer(digest_of(READER).hex()),
        {"x-api-key": READER},
    ],
)
def test_whatever_is_no_key_is_refused_in_openais_words(closed, headers):
    """401 with the code `invalid_api_key` and a challenge, and without a word of what was sent."""
    answer = closed.post("/v1/embeddings", json={"input": "a"}, headers=headers)
    assert answer.status_code == 401
    assert error_of(answer)["code"] == "invalid_api_key"
    assert error_of(answer)["type"] == "invalid_request_error"
    assert answer.headers["www-authenticate"].startswith('Bearer realm="sensorium"')
    assert answer.headers["x-request-id"]
    assert "secret" not in answer.text


def test_a_key_may_come_as_the_password_of_an_address(closed):
    """Clients that know only an address turn `user:KEY@host` into basic authentication."""
    for pair in (("anyone", READER), (READER, "")):
        assert closed.get("/v1/models", auth=pair).status_code == 200
    assert closed.get("/v1/models", auth=("anyone", "wrong")).status_code == 401


def test_weaviates_client_reads_the_refusal(closed):
    """Its routes say `error` as a string."""
    answer = closed.post("/vectorize", json={"texts": ["a"]})
    assert answer.status_code == 401
    assert "API key" in answer.json()["error"]


def test_nothing_of_a_body_is_read_before_the_key(closed):
    """A body that promises 1 GB is refused for want of a key, not for its size."""
    connection = http.client.HTTPConnection(closed.base_url.host, closed.base_url.port, timeout=60)
    connection.putrequest("POST", "/v1/embeddings")
    connection.putheader("content-length", str(10**9))
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


def test_openais_client_raises_its_own_errors(closed):
    """AuthenticationError without a known key, PermissionDeniedError without the scope, vectors with both."""

    def embed(secret):
        with openai.OpenAI(base_url=f"{closed.base_url}/v1", api_key=secret, max_retries=0) as client:
            return client.embeddings.create(model="small-test", input="a dog").data[0].embedding

    with pytest.raises(openai.AuthenticationError) as unknown:
        embed("sk-proj-of-somebody-else")
    assert unknown.value.code == "invalid_api_key"
    with pytest.raises(openai.PermissionDeniedError) as denied:
        embed(WRITER)
    assert denied.value.code == "missing_scope"
    assert "'read'" in denied.value.message
    assert embed(READER)


def test_the_description_tells_of_keys_where_there_are_any(closed, client):
    """Scheme, 401, 403 and the scope stand in the document of a closed server, and only there."""
    written = closed.get("/openapi.json").json()
    search = written["paths"]["/v1/collections/{name}/search"]["post"]
    assert written["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert search["security"] == [{"key": []}]
    assert {"401", "403", "429"} <= set(search["responses"])
    assert "`read`" in search["description"]
    assert "security" not in written["paths"]["/healthz"]["get"]
    assert "securitySchemes" not in client.get("/openapi.json").json()["components"]


def new_key(*options):
    result = CliRunner().invoke(cli, ["keys", "new", *options])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_prints_a_key_once_and_its_line():
    """The line holds the hash of the key, never the key; each call makes another."""
    printed = new_key("--name", "app", "--scopes", "read,write", "--rate", "requests=60,seconds=5e3")
    secret, line = re.fullmatch(r"key:  (\S+)\nline: (.+)\n", printed).groups()
    [key] = keys_of_file(line)
    assert key.digest == digest_of(secret)
    assert key.scopes == {"read", "write"}
    assert key.rate == {"requests": 60, "seconds": 5000}
    assert secret not in line
    assert len(secret) > 40
    assert secret not in new_key("--name", "app")


def test_the_command_refuses_what_makes_no_key(tmp_path):
    """Unknown scopes, odd names, wrong rates and a name that is taken: exit code 2 and what is accepted."""
    file = tmp_path / "keys"
    new_key("--name", "app", "--file", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    for options, told in (
        (["--name", "app", "--scopes", "all"], "read, write, admin"),
        (["--name", "a b"], "letters"),
        (["--name", "app", "--rate", "requests=0"], "requests=600"),
        (["--name", "app", "--file", str(file)], "already"),
    ):
        result = CliRunner().invoke(cli, ["keys", "new", *options])
        assert result.exit_code == 2
        assert told in result.output


def test_keys_are_rotated_without_a_restart(serve, tmp_path):
    """A key that is added counts at once, one that is taken out no longer; a broken file changes nothing."""
    file = tmp_path / "keys.txt"
    first = new_key("--name", "first", "--file", str(file)).strip()
    client = serve(api_keys=str(file))

    def status(secret):
        return client.get("/v1/models", headers=bearer(secret)).status_code

    assert status(first) == 200
    second = new_key("--name", "second", "--file", str(file)).strip()
    assert (status(first), status(second)) == (200, 200)
    file.write_text("".join(line for line in file.open() if not line.startswith("first")), encoding="utf-8")
    assert (status(first), status(second)) == (401, 200)
    file.write_text("first read sha256:beef\n", encoding="utf-8")
    assert status(second) == 200
    file.unlink()
    assert status(second) == 200


def test_a_file_of_keys_is_read_again_whatever_of_it_changes(tmp_path):
    """Another key of the same length, at the same time; with the mark that some editors put first."""
    file = tmp_path / "keys"
    lines = {name: line_of(Key(name, frozenset({"read"}), digest_of(name))) for name in ("a", "b")}

    def write(name):
        file.write_text(f"\ufeff{lines[name]}\n", encoding="utf-8")
        os.utime(file, ns=(1, 1))

    write("a")
    ring, written = Keyring(str(file)), file.stat().st_ctime_ns
    assert ring.find("a")
    while file.stat().st_ctime_ns == written:  # the system's clock for files ticks slowly
        write("b")
    assert ring.find("a") is None
    assert ring.find("b")


def test_files_of_keys_are_written_as_they_are_read():
    """`line_of` and `keys_of_file` are each other's inverse; comments and blank lines are passed over."""
    key = Key("a.b-c", frozenset({"write", "admin"}), digest_of("secret"), {"pixels": 5e8})
    text = f"# people\n\n{line_of(key)}  # until spring\n"
    assert list(keys_of_file(text)) == [key]
    assert "secret" not in repr(key)
    assert key.digest.hex() not in repr(key)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("short", "at least 16 characters"),
        ("app:read", "NAME:SCOPES:KEY"),
        (f"app:everything:{READER}", "read, write, admin"),
        (f"app:read:{READER},app:read:{WRITER}", "comes twice"),
        (f"app:read:{READER}:{WRITER}", "NAME:SCOPES:KEY"),
        ("app:read:sha256:abc", "64 hexadecimal"),
        ("/nowhere/keys.txt", "No such file"),
        (",", "there are no keys"),
        (f"a:read:{READER},b:admin:{READER}", "'a' and 'b' have the same secret"),
        ("app:read:schlüssel-aus-umlauten", "only ASCII"),
        ("app:read:a key with blanks in it", "no blanks"),
    ],
)
def test_a_setting_that_holds_no_keys_is_refused_without_being_printed(setting, told, monkeypatch):
    """The server does not start, and the message names the fault and not the secret."""
    monkeypatch.setenv("SENSORIUM_API_KEYS", setting)
    with pytest.raises(ValueError, match="api_keys") as refused:
        Settings()
    assert told in str(refused.value)
    assert READER not in str(refused.value)
    result = CliRunner().invoke(cli, ["serve"])
    assert result.exit_code == 2
    assert "SENSORIUM_API_KEYS" in result.output
    assert READER not in result.output


def test_keys_of_the_setting_may_be_bare_or_hashed():
    """A bare one has every scope; a hash in place of the key keeps the environment free of secrets."""
    ring = Keyring(f"{ADMIN}, app:read+write:sha256:{digest_of(READER).hex()}")
    assert ring.find(ADMIN).allows("write")
    assert ring.find(ADMIN).name == "key-1"
    assert ring.find(READER).scopes == {"read", "write"}
    assert ring.find("") is None
    assert READER not in repr(Settings(api_keys=f"a:read:{READER}"))


def test_a_line_of_the_file_that_is_wrong_is_named(tmp_path):
    """The number of the line and what a line is."""
    file = tmp_path / "keys.txt"
    file.write_text(f"app read sha256:{digest_of(READER).hex()}\nother read\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 2: a line is NAME SCOPES"):
        Keyring(str(file))


LOUD = """
import sys
from service import logs
from service.app import create_app
from service.settings import Settings
from tests.conftest import running, wait_until_ready
from tests.small_embedder import small_embedder
import httpx, json, os
settings = Settings()
logs.write_to_stderr(settings.log_level, settings.log_format)
with running(create_app(settings, small_embedder())) as url:
    wait_until_ready(url)
    for call in json.loads(sys.stdin.read()):
        answer = httpx.request(call["method"], url + call["path"], json=call["body"], headers=call["headers"])
        print(answer.status_code, answer.text)
    print(httpx.get(url + "/metrics", headers=call["headers"]).text)
"""


def test_no_key_and_no_media_stand_in_logs_answers_or_metrics(tmp_path):
    """A run at the most talkative level with good and bad keys and media: none of it is written anywhere."""
    picture = base64.b64encode(files.png(width=64, height=64)).decode()
    stranger = "stranger-secret-0123456"
    bodies = [
        {"input": {"image": picture}},
        {"input": {"image": picture[: len(picture) // 2]}},
        {"input": {"audio": picture}},
        {"input": "a dog", "dimensions": picture},
    ]
    calls = [
        {"method": "POST", "path": "/v1/embeddings", "body": body, "headers": bearer(secret)}
        for body in bodies
        for secret in (stranger, WRITER, ADMIN)
    ]
    environment = {
        **os.environ,
        "SENSORIUM_API_KEYS": KEYS,
        "SENSORIUM_LOG_LEVEL": "debug",
        "SENSORIUM_DATA_DIR": str(tmp_path),
    }
    run = subprocess.run(
        [sys.executable, "-c", LOUD],
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    statuses = [line[:3] for line in run.stdout.splitlines()[: len(calls)]]
    assert statuses == [each for last in ("200", "422", "415", "400") for each in ("401", "403", last)]
    assert "admin" in run.stderr
    for written in (run.stdout, run.stderr):
        for secret in (stranger, READER, WRITER, ADMIN):
            assert secret not in written
            assert digest_of(secret).hex() not in written
        assert picture[:60] not in written


def line_of_log(form, message, **extra):
    record = logging.makeLogRecord({"msg": message, "name": "a", "levelno": 20, "levelname": "INFO", **extra})
    return logs.FORMATS[form]().format(record)


@pytest.mark.parametrize("form", logs.FORMATS)
def test_what_slips_into_a_log_line_is_taken_out(form):
    """Authorization headers, keys of ours and long base64, also inside quotes; the line stays one line."""
    long = base64.b64encode(os.urandom(900)).decode()
    said = f'headers {{"authorization": "Bearer abc\\"}} key sensorium_{"k" * 43} body {long}\nend'
    line = line_of_log(form, said, status=200)
    assert "abc" not in line
    assert "kkk" not in line
    assert long[:40] not in line
    assert "200" in line
    assert "\n" not in line
    if form == "json":
        assert json.loads(line)["status"] == 200


def test_a_text_line_moves_no_cursor():
    """Control characters of a path are shown, not sent to a terminal."""
    line = line_of_log("text", "answered", path="/a\x1b[2J\x07\r\u2028\x9bb")
    assert line.isprintable()
    assert r"/a\x1b[2J\x07\r\u2028\x9bb" in line


def test_a_public_address_without_keys_is_warned_of(serve, caplog, tmp_path):
    """The log names the setting; with keys, or on loopback, it is silent."""
    with caplog.at_level(logging.WARNING):
        serve(host="0.0.0.0")
    assert [each for each in caplog.messages if "SENSORIUM_API_KEYS" in each and "0.0.0.0" in each]
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        serve(host="0.0.0.0", api_keys=KEYS, data_dir=tmp_path / "other")
    assert not [each for each in caplog.messages if "SENSORIUM_API_KEYS" in each]


def test_the_log_names_the_key_that_asked(closed, caplog):
    """By its name: whose requests they were can be told without the secret."""
    with caplog.at_level(logging.INFO, "service.access"):
        closed.get("/v1/models", headers=bearer(READER))
        give_up = time.monotonic() + 60
        while not (lines := [each for each in caplog.records if getattr(each, "path", "") == "/v1/models"]):
            assert time.monotonic() < give_up
            time.sleep(0.005)
    assert [line.key for line in lines] == ["reader"]


def test_the_log_names_the_key_that_lacks_a_scope(closed, caplog):
    """Whoever leaked or misused a key is found by its name in the refused lines as well."""
    with caplog.at_level(logging.INFO, "service.access"):
        assert closed.delete("/v1/collections/none", headers=bearer(READER)).status_code == 403
        give_up = time.monotonic() + 60
        while not (lines := [each for each in caplog.records if getattr(each, "status", 0) == 403]):
            assert time.monotonic() < give_up
            time.sleep(0.005)
    assert [line.key for line in lines] == ["reader"]


def test_tools_over_http_ask_for_keys_too(closed, unused_port):
    """`sensorium mcp --http`: no answer without a key that may read and write."""
    pytest.importorskip("mcp")
    words = ["mcp", "--url", str(closed.base_url), "--http", "--port", str(unused_port)]
    environment = {**os.environ, "SENSORIUM_API_KEYS": KEYS, "SENSORIUM_API_KEY": ADMIN}
    program = [sys.executable, "-c", "from service.cli import main; main()", *words]
    process = subprocess.Popen(program, env=environment, stderr=subprocess.PIPE)
    hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accept = {"accept": "application/json, text/event-stream"}

    def status(headers):
        address = f"http://127.0.0.1:{unused_port}/mcp"
        return httpx.post(address, json=hello, headers={**accept, **headers}, timeout=60).status_code

    try:
        give_up = time.monotonic() + 60
        while True:
            try:
                assert status({}) == 401
                break
            except httpx.TransportError:
                assert time.monotonic() < give_up
                time.sleep(0.1)
        assert status(bearer("wrong-secret-0123456789")) == 401
        assert status(bearer(READER)) == 403
        assert status(bearer(ADMIN)) not in {401, 403}
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_a_bearer_of_other_letters_is_only_unknown(closed):
    """Bytes that are no ASCII in the header are refused as any other wrong key."""
    answer = httpx.get(f"{closed.base_url}/v1/models", headers={"authorization": b"Bearer \xff\xfe"})
    assert answer.status_code == 401
