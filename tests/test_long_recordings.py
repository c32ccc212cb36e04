"""How long recordings share the memory that there is for their segments."""

import asyncio
import base64

import httpx

from service.app import create_app
from service.recordings import AT_A_TIME, Room, Turn
from service.settings import Settings
from tests import media_files as files
from tests.conftest import PATIENCE_S
from tests.recordings import hiss
from tests.small_embedder import small_embedder

THINGS = "/v1/collections/things"


def audio(data):
    return {"audio": base64.b64encode(data).decode()}


def test_a_long_recording_waits_for_its_turn_and_short_ones_do_not(tmp_path):
    """While others fill the room it is not refused, and all its segments are stored afterwards."""

    async def story():
        app = create_app(Settings(data_dir=tmp_path, gallery=False), small_embedder())
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://test", timeout=PATIENCE_S) as client,
        ):
            while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - as probes ask
                await asyncio.sleep(0.02)
            await client.put(THINGS, json={})
            room = app.state.engine.serving.get().vectorizer._recordings
            others = [Turn(room) for _ in range(AT_A_TIME)]
            assert all(turn.enter() for turn in others)
            item = {"id": "long", "content": audio(files.wav_of(hiss(20)))}
            waiting = asyncio.create_task(client.post(f"{THINGS}/items", json={"items": [item]}))
            while not room.waiting:  # noqa: ASYNC110 - nothing else tells that a file was decoded
                await asyncio.sleep(0.01)
            short = {"id": "short", "content": audio(files.wav())}
            assert (await client.post(f"{THINGS}/items", json={"items": [short]})).json()["stored"] == 1
            assert not waiting.done()
            for turn in others:
                turn.leave()
            assert (await waiting).json()["stored"] == 1
            assert (await client.get(THINGS)).json()["shelves"]["audio"]["vectors"] == 4
            assert room.free == AT_A_TIME

    asyncio.run(story())


def test_the_room_of_recordings_is_given_on():
    """Who waits gets in when another leaves, or when one who waited gives up; nobody enters afterwards."""

    async def come_and_go():
        room = Room(2)
        first, second, third, fourth = (Turn(room) for _ in range(4))
        assert first.enter()
        assert second.enter()
        assert not third.enter()
        waiting = [asyncio.create_task(each.wait()) for each in (third, fourth)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        first.leave()
        third.leave()
        await waiting[1]
        assert not first.enter()
        assert room.free == 0
        for turn in (second, fourth, fourth):
            turn.leave()
        assert room.free == 2

    asyncio.run(come_and_go())
