"""The door: shut while the event loop lags and many are inside, open otherwise."""

import asyncio
import time

from service.door import Door
from service.metrics import Metrics

SCOPE = {"type": "http", "method": "POST", "path": "/", "headers": []}


class Inside:
    """An application that keeps its callers until it lets them go."""

    def __init__(self):
        self.calls = 0
        self.go = asyncio.Event()

    async def __call__(self, *_):
        self.calls += 1
        await self.go.wait()


async def asked(door, method="POST"):
    """The status and headers of the refusal; None where the caller was let in."""
    told = []

    async def send(message):
        told.append(message)

    await door({**SCOPE, "method": method}, None, send)
    return (told[0]["status"], dict(told[0]["headers"])) if told else None


async def crowded(lagging, scenario):
    """Run `scenario(door, inside)` with two inside and, where wanted, a loop that lags."""
    inside = Inside()
    door = Door(inside, 2, Metrics())
    callers = [asyncio.ensure_future(asked(door)) for _ in range(2)]
    await asyncio.sleep(0)
    if lagging:
        while door.lag_s < 0.1:
            time.sleep(0.2)  # noqa: ASYNC251 - this is what makes the loop lag
            await asyncio.sleep(0.01)
    result = await scenario(door, inside)
    inside.go.set()
    await asyncio.gather(*callers)
    return result


def test_a_loop_that_lags_lets_nobody_else_in():
    """429 with Retry-After without a look at the request; GET is let in, and so are all when it is over."""

    async def scenario(door, inside):
        status, headers = await asked(door)
        assert inside.calls == 2
        inside.go.set()
        assert await asked(door, "GET") is None
        await asyncio.sleep(0.2)
        assert await asked(door) is None
        return status, headers

    status, headers = asyncio.run(crowded(True, scenario))
    assert status == 429
    assert headers[b"retry-after"] == b"1"


def test_many_inside_are_no_reason_by_themselves():
    """While the loop keeps up, the queues decide."""

    async def scenario(door, inside):
        inside.go.set()
        return await asked(door)

    assert asyncio.run(crowded(False, scenario)) is None


def test_many_refusals_come_late(monkeypatch):
    """Fifty a second are told at once; those beyond are held back, and do not count as inside meanwhile."""
    monkeypatch.setattr("service.door.PAUSE_S", 0.2)
    told = []

    async def refusing(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 429, "headers": []})
        told.append(door._inside)

    door = Door(refusing, 2, Metrics())

    async def scenario():
        callers = [asyncio.ensure_future(asked(door)) for _ in range(70)]
        await asyncio.sleep(0.05)
        prompt = len(told)
        await asyncio.gather(*callers)
        return prompt

    assert 50 <= asyncio.run(scenario()) < 60
    assert len(told) == 70
    assert door._inside == 0


def test_other_answers_are_never_held_back(monkeypatch):
    """However many there are, a 200 or 503 passes at once."""
    monkeypatch.setattr("service.door.PAUSE_S", 1000.0)

    async def answering(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 503, "headers": []})

    async def scenario():
        door = Door(answering, 2, Metrics())
        return await asyncio.gather(*(asked(door) for _ in range(200)))

    assert asyncio.run(asyncio.wait_for(scenario(), 30)) == [(503, {})] * 200
