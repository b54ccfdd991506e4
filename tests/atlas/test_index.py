"""What the index of notebook 09 says by itself, without a section."""

import fastapi
import pytest
import socketio

from atlas_sections import LESSONS

WRAPPED = "socketio.ASGIApp(sio, app)"
MOUNTED = 'app.mount("/ws", socketio.ASGIApp(sio, socketio_path="/ws/socket.io"))'


@pytest.mark.parametrize(("said", "path"), [(WRAPPED, "/socket.io/"), (MOUNTED, "/ws/socket.io/")])
async def test_fastapi_answers_where_the_index_says(said, path):
    assert said in LESSONS
    names = {"app": fastapi.FastAPI(), "sio": socketio.AsyncServer(async_mode="asgi")}
    made = eval(said, {"socketio": socketio, **names})  # what the reader copies
    assert await status(made or names["app"], path) == 200


async def test_a_mount_that_names_half_of_the_path_is_404():
    app, sio = fastapi.FastAPI(), socketio.AsyncServer(async_mode="asgi")
    app.mount("/ws", socketio.ASGIApp(sio))
    assert [await status(app, path) for path in ("/socket.io/", "/ws/socket.io/")] == [404, 404]


async def status(app, path):
    """Return how an application answers the first request of long-polling."""
    answers = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(answer):
        answers.append(answer)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "root_path": ""}
    scope["query_string"] = b"EIO=4&transport=polling"
    await app(scope, receive, send)
    return answers[0]["status"]
