"""Rate limits: buckets by an injected clock, headers, and what OpenAI's own client makes of a 429."""

import httpx
import openai
import pytest

from service.access.metering import amounts_of
from service.access.rates import Bucket, Limiter, Meter, parse_rate, spelled, written_rate
from service.settings import Settings
from tests import media_files as files
from tests.small_embedder import small_embedder

FAST, SLOW = "fast-secret-0123456789", "slow-secret-0123456789"


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limited(serve, clock):
    """A function that starts a server whose limits go by the test's clock."""

    def start(**settings):
        client = serve(**settings)
        client.app.state.access.limiter.clock = clock
        return client

    return start


def bearer(secret):
    return {"authorization": f"Bearer {secret}"}


def test_a_bucket_holds_a_minutes_worth_and_fills_evenly(clock):
    """Full at first, a sixtieth of its limit comes back each second, never more than the limit."""
    bucket = Bucket(120, clock())
    bucket.take(120, clock())
    assert bucket.level(clock()) == 0
    clock.now += 10
    assert bucket.level(clock()) == pytest.approx(20)
    assert bucket.seconds_to(120, clock()) == pytest.approx(50)
    clock.now += 1000
    assert bucket.level(clock()) == 120


def test_a_debt_keeps_its_caller_out_until_it_is_paid(clock):
    """What an input turned out to hold is taken at once, however much it is."""
    meter = Meter({"seconds": 60}, clock)
    assert meter.admit() is None
    meter.charge({"seconds": 90, "pixels": 1e9})
    assert meter.admit() == ("seconds", pytest.approx(31))
    clock.now += 31
    assert meter.admit() is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.0195, "20ms"), (1, "1s"), (1.2, "2s"), (59.5, "1m0s"), (360, "6m0s"), (61, "1m1s")],
)
def test_durations_are_spelled_as_openai_does(seconds, text):
    """Milliseconds below a second, then seconds, then minutes and seconds."""
    assert spelled(seconds) == text


def test_rates_are_read_as_they_are_written():
    """Both ways, in any order of kinds, and nothing for no text."""
    rate = {"requests": 600, "seconds": 3600, "pixels": 5e8}
    assert parse_rate("pixels=5e8, requests=600,seconds=3600") == rate
    assert parse_rate(written_rate(rate)) == rate
    assert parse_rate("") == {}


@pytest.mark.parametrize(
    "text",
    [
        "600",
        "tokens=5",
        "requests=0.5",
        "requests=-1",
        "requests=inf",
        "requests=nan",
        "requests=1,requests=2",
    ],
)
def test_what_is_no_rate_is_refused_with_what_is(text):
    """In the setting as in the file of keys."""
    with pytest.raises(ValueError, match="requests="):
        parse_rate(text)
    with pytest.raises(ValueError, match="rate_limit"):
        Settings(rate_limit=text)


def test_memory_for_callers_is_bounded(clock):
    """The caller that has been quiet longest is forgotten, one that keeps asking is not."""
    limiter = Limiter({"requests": 2}, clock, most=10)
    for _ in range(2):
        assert limiter.meter("busy").admit() is None
    for number in range(1000):
        limiter.meter(f"address {number}")
        assert limiter.meter("busy").admit() is not None
    assert len(limiter.meters) == 10


@pytest.mark.parametrize(
    ("modality", "data", "params", "amounts"),
    [
        ("image", files.png(width=30, height=20), {}, {"pixels": 600}),
        ("audio", files.wav(seconds=1.5), {}, {"seconds": pytest.approx(1.5)}),
    ],
)
def test_inputs_are_measured_as_decoded(modality, data, params, amounts):
    """Pixels of a picture, seconds of a sound."""
    assert amounts_of(small_embedder().decode(modality, data, **params)) == amounts


def test_every_modality_is_measured():
    """Recordings in seconds, pictures and maps in pixels; a text costs its request alone."""
    senses = small_embedder().senses
    kinds = {name: set(amounts_of(each.sample())) for name, each in senses.items()}
    assert kinds == {
        "text": set(),
        "image": {"pixels"},
        "video": {"seconds"},
        "audio": {"seconds"},
        "depth": {"pixels"},
        "thermal": {"pixels"},
        "imu": {"seconds"},
    }


def test_a_key_has_its_own_rate_and_the_headers_tell_of_it(limited, clock):
    """OpenAI's headers and the draft's on every answer; then 429 until the time that Retry-After says."""
    client = limited(api_keys=f"fast:read:{FAST},slow:read:{SLOW}", rate_limit="requests=3,pixels=1e6")
    first = client.get("/v1/models", headers=bearer(SLOW))
    assert first.headers["x-ratelimit-limit-requests"] == "3"
    assert first.headers["x-ratelimit-remaining-requests"] == "2"
    assert first.headers["x-ratelimit-reset-requests"] == "20s"
    assert first.headers["x-ratelimit-limit-pixels"] == "1000000"
    assert first.headers["ratelimit-policy"] == '"requests";q=3;w=60, "pixels";q=1000000;w=60'
    assert first.headers["ratelimit"] == '"requests";r=2;t=20, "pixels";r=1000000;t=0'
    for _ in range(2):
        assert client.get("/v1/models", headers=bearer(SLOW)).status_code == 200
    refused = client.get("/v1/models", headers=bearer(SLOW))
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "20"
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert "3 requests per minute" in refused.json()["error"]["message"]
    assert client.get("/v1/models", headers=bearer(FAST)).status_code == 200
    assert client.get("/healthz").status_code == 200
    clock.now += 20
    assert client.get("/v1/models", headers=bearer(SLOW)).status_code == 200
    metrics = client.get("/metrics", headers=bearer(FAST)).text
    assert 'sensorium_refused_total{code="rate_limit_exceeded"} 1.0' in metrics


def test_pixels_and_seconds_are_charged_to_who_sent_them(limited, clock):
    """A picture leaves a debt that keeps its sender out, an upload and a search as well, nobody else."""
    client = limited(api_keys=f"fast:admin:{FAST},slow:admin:{SLOW}", rate_limit="pixels=1000,seconds=60")
    picture = {"file": ("a.png", files.png(width=100, height=20))}
    sent = client.post("/v1/embeddings/image", files=picture, headers=bearer(SLOW))
    assert sent.status_code == 200
    refused = client.get("/v1/models", headers=bearer(SLOW))
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "61"
    assert refused.headers["x-ratelimit-remaining-pixels"] == "0"
    sound = {"file": ("a.wav", files.wav(seconds=2))}
    client.put("/v1/collections/c", headers=bearer(FAST))
    stored = client.post("/v1/collections/c/items", files=sound, headers=bearer(FAST))
    assert stored.json()["stored"] == 1
    left = client.get("/v1/models", headers=bearer(FAST)).headers
    assert left["x-ratelimit-remaining-seconds"] == "58"
    assert left["x-ratelimit-remaining-pixels"] == "1000"


def test_without_keys_the_limit_is_that_of_an_address(limited):
    """Off by default; where it is set, callers from one address share it."""
    client = limited(rate_limit="requests=2")
    assert [client.get("/v1/models").status_code for _ in range(3)] == [200, 200, 429]
    limiter = client.app.state.access.limiter
    assert [caller for caller, _ in limiter.meters] == ["address 127.0.0.1"]
    with httpx.Client(base_url=client.base_url, headers={"x-forwarded-for": "2001:db8::7"}) as behind_proxy:
        assert behind_proxy.get("/v1/models").status_code == 200
    assert [caller for caller, _ in limiter.meters] == ["address 127.0.0.1", "address 2001:db8::/64"]


def test_no_limit_is_the_default(client):
    """Nothing is counted, and no header says so."""
    answer = client.get("/v1/models")
    assert not [name for name in answer.headers if "ratelimit" in name]


def test_openais_client_waits_and_comes_back(limited, clock):
    """Its retries outlast a limit by themselves; without retries it raises RateLimitError with our code."""
    server = limited(rate_limit="requests=1500")
    meter = server.app.state.access.limiter.meter("address 127.0.0.1")
    seen = []

    def let_time_pass(response):
        seen.append(response.status_code)
        clock.now += 60 if response.status_code == 429 else 0

    hooks = {"response": [let_time_pass]}
    with (
        httpx.Client(event_hooks=hooks) as http,
        openai.OpenAI(base_url=f"{server.base_url}/v1", api_key="none", http_client=http) as client,
    ):

        def embed(**options):
            return client.with_options(**options).embeddings.create(model="small-test", input="a dog").data

        meter.charge({"requests": 1500})
        assert embed()
        assert seen == [429, 200]
        meter.charge({"requests": 1500})
        with pytest.raises(openai.RateLimitError) as refused:
            embed(max_retries=0)
    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.response.headers["retry-after-ms"] == "80"
    assert refused.value.response.headers["retry-after"] == "1"
