"""Origins and hosts of the settings: those that could never match are refused, others brought into form."""

import pytest

from service.fetching.policy import FetchRefusedError, Policy
from service.settings import Settings


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://app.example.org", ("https://app.example.org",)),
        ("HTTPS://App.Example.org/", ("https://app.example.org",)),
        (
            "https://a.org:443,http://b.org:80,http://c.org:8080",
            ("https://a.org", "http://b.org", "http://c.org:8080"),
        ),
        ("http://[::1]:3000", ("http://[::1]:3000",)),
        ("chrome-extension://abcdef, null,file://", ("chrome-extension://abcdef", "null", "file://")),
        ("https://bücher.example,http://a.org:080", ("https://xn--bcher-kva.example", "http://a.org")),
        ("*", ("*",)),
    ],
)
def test_origins_are_spelt_as_browsers_send_them(given, kept):
    """Small letters, no slash at the end, no usual port."""
    assert Settings(cors_origins=given).cors_origins == kept


@pytest.mark.parametrize(
    "given",
    [
        "app.example.org",
        "https://a.org/path",
        "https://a.org, *.b.org",
        "https://",
        "a b",
        "https://*.a.org",
        "https://a.org:abc",
        "https://a.org:",
        "https://a.org:99999",
        "https://u@a.org",
    ],
)
def test_what_no_browser_sends_is_refused(given):
    """With what is accepted."""
    with pytest.raises(ValueError, match=r"no origin; accepted is .*https://app\.example\.org"):
        Settings(cors_origins=given)


@pytest.mark.parametrize("name", ["allowed_hosts", "fetch_hosts"])
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Media.Example.org.", "media.example.org"),
        ("müller.example", "xn--mller-kva.example"),
        ("10.0.0.7", "10.0.0.7"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("straße.de", "xn--strae-oqa.de"),
    ],
)
def test_hosts_are_spelt_as_addresses_have_them(name, given, kept):
    """Small letters, without the root's dot, other letters as in the DNS."""
    assert getattr(Settings(**{name: given}), name) == (kept,)


@pytest.mark.parametrize("name", ["allowed_hosts", "fetch_hosts"])
@pytest.mark.parametrize(
    "given", ["https://a.org", "a.org:8000", "a.org/x", "user@a.org", "*", "a.*.org", "-a"]
)
def test_what_is_no_host_is_refused(name, given):
    """It could never match."""
    with pytest.raises(ValueError, match="no host's name"):
        Settings(**{name: given})


def test_all_hosts_below_a_name_may_be_fetched_from():
    """The star stands at the beginning alone."""
    assert Settings(fetch_hosts="*.Example.org,a.org").fetch_hosts == ("*.example.org", "a.org")
    with pytest.raises(ValueError, match="no host's name"):
        Settings(allowed_hosts="*.example.org")


def test_a_name_with_other_letters_means_the_same_host_as_in_an_address():
    """`strasse.de` belongs to somebody else than `straße.de`."""
    policy = Policy.of(Settings(fetch="public", fetch_hosts="straße.de,2001:DB8::1"))
    policy.check("https://straße.de/a.png")
    policy.check("https://[2001:0DB8::1]/a.png")
    with pytest.raises(FetchRefusedError):
        policy.check("https://strasse.de/a.png")
