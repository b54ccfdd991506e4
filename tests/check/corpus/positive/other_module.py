from app import sio  # its side is told by what its handlers get


@sio.on("connect")
async def connect(sid, environ):
    @sio.on("news")  # expect: handler-in-server-connect
    async def news(sid, data):
        print(data)


sio.on("connect", lambda sid, environ: sio.on("later", print))  # expect: handler-in-server-connect
