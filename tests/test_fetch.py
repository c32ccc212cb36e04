"""Fetching of addresses: what is refused before anybody is asked, and what hosts may not do to us."""

import asyncio
import ipaddress
import shutil
import ssl
import subprocess

import pytest

from models.errors import SensoriumError
from service.errors import OverloadedError
from service.fetching.fetcher import MOST_WAITING, Fetcher
from service.fetching.networks import is_public
from service.fetching.policy import FetchFailedError, FetchRefusedError, Policy
from service.fetching.resolving import resolve as resolve_really
from tests.odd_hosts import ANSWERS, PICTURE, PUBLIC, Detour, resolve, running_host

MOST_BYTES = 1_000_000
POLICY = Policy(enabled=True, http=True, most_bytes=MOST_BYTES, seconds=5.0)
HASTY = Policy(enabled=True, http=True, most_bytes=MOST_BYTES, seconds=0.4)
HOST = "http://media.test.example"


@pytest.fixture(scope="module")
def odd_host():
    with running_host() as running:
        yield running


def fetch(odd_host, address, policy=POLICY, **options):
    """The file behind an address of the odd host, and what was asked on the way."""
    detour = Detour(odd_host[1], **options)

    async def run():
        fetcher = Fetcher(policy, resolve, detour)
        try:
            return await fetcher.fetch(address, fetcher.errand())
        finally:
            await fetcher.close()

    return asyncio.run(run()), detour.asked


def refusal(odd_host, address, policy=POLICY, kind=FetchRefusedError):
    with pytest.raises(kind) as caught:
        fetch(odd_host, address, policy)
    assert "secret" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.8.8.8", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200",
     "168.63.129.16", "192.0.0.192", "0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1",
     "203.0.113.9", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1",
     "::ffff:8.8.8.8", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::1",
     "2001:db8::1", "fec0::1", "media.example", ""],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    """Private, loopback, link-local, shared, reserved, multicast, translated ones and metadata hosts."""
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700::1111"])
def test_addresses_that_are_public(address):
    """The neighbours of what is refused, and usual hosts."""
    assert is_public(address)


def test_nothing_is_public_that_python_holds_for_private():
    """Our table and that of the standard library are of one mind about the edges of every private block."""
    edges = [
        ipaddress.ip_address(number)
        for block in (
            *ipaddress.IPv4Address._constants._private_networks,
            ipaddress.ip_network("224.0.0.0/4"),
        )
        for number in (int(block.network_address), int(block.broadcast_address))
    ]
    assert edges
    assert not any(is_public(str(edge)) for edge in edges)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("ftp://media.test.example/a", "only https and http"),
        ("file:///etc/passwd", "only https and http"),
        ("gopher://media.test.example/", "only https and http"),
        ("http://localhost/a", "full name"),
        ("http://redis/a", "full name"),
        ("http://2130706433/", "full name"),
        ("http://0x7f000001/", "full name"),
        ("http://0x7f.1/", "full name"),
        ("http://127.1/", "full name"),
        ("http://0177.0.0.1/", "malformed"),
        ("http://127.0.0.1.:80/", "full name"),
        ("http://media.test.example./", "full name"),
        ("http://media%2etest.example/", "full name"),
        ("http://[fe80::1%25eth0]/", "full name|public"),
        ("http:///a", "full name"),
        ("http://127\u30020\u30020\u30021/", "public"),
        ("http://127.0.0.1/", "public"),
        ("http://[::1]/", "public"),
        ("http://[::ffff:7f00:1]/", "public"),
        ("http://169.254.169.254/latest/meta-data/", "public"),
        ("http://user:word@media.test.example/", "user or password"),
        ("http://media.test.example@inside.test.example/", "user or password"),
        ("http://media.test.example:22/", "usual port"),
        ("http://media.test.example:443/", "usual port"),
        ("http://media.test.example/a b", "blanks"),
        ("http://media.test.example\\@inside.test.example/", "backslashes"),
        ("http://media.test.example/\r\nHost: a", "control"),
        ("http://media.test.example/" + "a" * 2100, "2048 characters"),
        ("http://inside.test.example/", "public"),
        ("http://mixed.test.example/", "public"),
        ("http://mapped.test.example/", "public"),
        ("http://nobody.test.example/", "public"),
    ],
)
def test_addresses_that_are_refused_before_anybody_is_asked(odd_host, address, told):
    """By the scheme, the spelling, the port, or because not every answer of the name is public."""
    before = len(odd_host[0].heads)
    with pytest.raises(FetchRefusedError, match=told):
        fetch(odd_host, address)
    assert len(odd_host[0].heads) == before


def test_a_name_inside_and_no_name_at_all_are_told_alike(odd_host):
    """Nobody can learn from the answers which names there are inside."""
    inside, nowhere = (refusal(odd_host, f"http://{name}.test.example/") for name in ("inside", "nobody"))
    assert inside.replace("inside", "nobody") == nowhere


def test_the_real_resolver_leads_nobody_home():
    """`localhost` as a full name, whatever the machine calls itself, is refused like any name inside."""

    async def run():
        fetcher = Fetcher(POLICY, resolve_really)
        await fetcher.fetch("http://localhost.localdomain/", fetcher.errand())

    with pytest.raises(FetchRefusedError, match="public"):
        asyncio.run(run())


def test_the_checked_address_is_asked_by_the_name_of_the_host(odd_host):
    """The connection goes to the address that was checked, with the name in `host` and nothing packed."""
    file, asked = fetch(odd_host, f"{HOST}/cat.png?size=2#top")
    assert (file.data, file.media_type) == (PICTURE, "image/png")
    assert asked == [(PUBLIC, "media.test.example")]
    head = odd_host[0].heads[-1].lower()
    assert head.startswith("get /cat.png?size=2 http/1.1")
    assert "accept-encoding: identity" in head
    assert "cookie" not in head


def test_the_first_address_counts_and_the_next_one_where_it_cannot_be_reached(odd_host):
    """All answers are checked, then tried in order."""
    _, asked = fetch(odd_host, "http://six.test.example/cat.png")
    assert asked == [(ANSWERS["six.test.example"][0], "six.test.example")]


def test_http_needs_a_setting_of_its_own(odd_host):
    """Where only https is fetched, the error names the setting."""
    told = refusal(odd_host, f"{HOST}/cat.png", Policy(enabled=True))
    assert "SENSORIUM_FETCH_HTTP=true" in told


@pytest.mark.parametrize(
    ("hosts", "accepted"),
    [(("media.test.example",), True), (("*.test.example",), True), (("test.example",), False),
     (("*.edia.test.example",), False), (("other.test.example",), False)],
)  # fmt: skip
def test_a_list_of_hosts_narrows_what_is_fetched(odd_host, hosts, accepted):
    """A name or all names below one; redirects are held to it as well."""
    policy = Policy(enabled=True, http=True, hosts=hosts)
    if accepted:
        assert fetch(odd_host, f"{HOST}/cat.png", policy)[0].data == PICTURE
    else:
        assert "SENSORIUM_FETCH_HOSTS" in refusal(odd_host, f"{HOST}/cat.png", policy)


def test_a_list_of_hosts_holds_for_redirects(odd_host):
    """A host that may be asked cannot send us to one that may not."""
    policy = Policy(enabled=True, http=True, hosts=("media.test.example",))
    assert "SENSORIUM_FETCH_HOSTS" in refusal(odd_host, f"{HOST}/elsewhere", policy)


def test_redirects_are_followed_to_public_hosts(odd_host):
    """Within a host and to another, each hop to an address that was checked."""
    assert fetch(odd_host, f"{HOST}/moved")[0].data == PICTURE
    file, asked = fetch(odd_host, f"{HOST}/elsewhere")
    assert file.data == PICTURE
    assert asked == [(PUBLIC, "media.test.example"), (PUBLIC, "other.test.example")]


@pytest.mark.parametrize(
    ("path", "told"),
    [("inside", "public"), ("loopback", "public"), ("metadata", "public"), ("odd-port", "usual port"),
     ("file", "only https"), ("round", "more than 5 redirects")],
)  # fmt: skip
def test_redirects_into_the_house_are_refused(odd_host, path, told):
    """Every hop is held to what the first one is."""
    before = len(odd_host[0].heads)
    assert told in refusal(odd_host, f"{HOST}/{path}")
    assert len(odd_host[0].heads) - before == (6 if path == "round" else 1)


@pytest.mark.parametrize(
    ("path", "told"),
    [("page", "web page"), ("json", "accepted are image"), ("announced", "more than 1000000 bytes"),
     ("endless", "more than 1000000 bytes"), ("bomb", "packed")],
)  # fmt: skip
def test_files_that_are_not_taken(odd_host, path, told):
    """Web pages, other documents, too much announced, too much sent, and packed bodies."""
    assert told in refusal(odd_host, f"{HOST}/{path}")


@pytest.mark.parametrize(
    ("path", "told"),
    [("gone", "status 404"), ("cut", "broke off"), ("empty", "empty"), ("noise", "broke off")],
)
def test_files_that_cannot_be_had(odd_host, path, told):
    """Errors of the host, and answers that end before they should or are no HTTP."""
    assert told in refusal(odd_host, f"{HOST}/{path}", kind=FetchFailedError)


def test_what_comes_after_the_announced_length_is_not_read(odd_host):
    """A host that announces less than it sends is taken by its word."""
    assert fetch(odd_host, f"{HOST}/lying-short")[0].data == PICTURE[:40]


@pytest.mark.parametrize("path", ["drip", "silent"])
def test_slow_hosts_end_by_the_time_of_the_whole_file(odd_host, path):
    """A byte now and then does not keep a fetch alive."""
    assert "0.4 s" in refusal(odd_host, f"{HOST}/{path}", HASTY, FetchFailedError)


def test_files_of_a_request_share_what_they_may_weigh(odd_host):
    """Many small files behind addresses cannot add up to more than a body may hold."""

    async def run():
        policy = Policy(enabled=True, http=True, most_bytes=3 * len(PICTURE))
        fetcher = Fetcher(policy, resolve, Detour(odd_host[1]))
        errand = fetcher.errand()
        calls = [fetcher.fetch(f"{HOST}/cat.png", errand) for _ in range(5)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        await fetcher.close()
        return answers

    answers = asyncio.run(run())
    assert sum(isinstance(each, FetchRefusedError) for each in answers) == 2


def test_too_many_waiting_addresses_are_told_to_come_back():
    """Beyond a bound the caller gets 429 instead of a place in an endless line."""
    fetcher = Fetcher(POLICY, resolve)
    with fetcher.admission(MOST_WAITING), pytest.raises(OverloadedError), fetcher.admission(1):
        pass
    with fetcher.admission(1):
        pass


def test_switched_off_it_says_which_setting_switches_it_on(odd_host):
    """The usual state: nobody is asked, and the error names SENSORIUM_FETCH."""
    with pytest.raises(SensoriumError, match="SENSORIUM_FETCH=public") as caught:
        fetch(odd_host, f"{HOST}/cat.png", Policy())
    assert caught.value.code == "fetching_not_enabled"


@pytest.fixture(scope="module")
def secure_host(tmp_path_factory):
    """An odd host with a certificate for media.test.example alone, and a context that trusts it."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not there to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    names = ("-subj", "/CN=media.test.example", "-addext", "subjectAltName=DNS:media.test.example")
    files = ("-keyout", folder / "key.pem", "-out", folder / "certificate.pem")
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    subprocess.run(["openssl", "req", "-x509", *kind, *names, *files], check=True, capture_output=True)
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    with running_host(own) as running:
        yield running, ssl.create_default_context(cafile=str(folder / "certificate.pem"))


def test_certificates_are_checked_against_the_name_not_the_address(secure_host):
    """A pinned address changes nothing about whose certificate has to be shown."""
    running, trusting = secure_host
    file, asked = fetch(running, "https://media.test.example/cat.png", verify=trusting)
    assert (file.data, asked[0][0]) == (PICTURE, PUBLIC)
    with pytest.raises(FetchFailedError, match="certificate"):
        fetch(running, "https://other.test.example/cat.png", verify=trusting)
    with pytest.raises(FetchFailedError, match="certificate"):
        fetch(running, "https://media.test.example/cat.png")


def test_proxies_of_the_environment_are_passed_over(monkeypatch):
    """A proxy would resolve names anew, after our check."""
    with running_host() as (proxy, port):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
            monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{port}")

        async def run():
            fetcher = Fetcher(HASTY, resolve)
            await fetcher.fetch(f"{HOST}/cat.png", fetcher.errand())

        with pytest.raises(FetchFailedError):
            asyncio.run(run())
        assert not proxy.heads
