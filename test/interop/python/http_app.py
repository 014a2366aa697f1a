"""PyCounter over HTTP: FastAPI with the SDK's extension. What it does is in counter.py."""

import asyncio
import os
from contextlib import asynccontextmanager

import counter
import uvicorn
from dapr.actor import Remindable
from dapr.ext.fastapi import DaprActor
from fastapi import FastAPI


# The SDK looks for Remindable among the bases of the class itself.
class PyCounter(counter.Counter, Remindable):
    pass


@asynccontextmanager
async def lifespan(app: FastAPI):
    counter.use_reentrancy()
    await actors.register_actor(PyCounter)
    counter.serve_client(asyncio.get_running_loop())
    yield


app = FastAPI(lifespan=lifespan)
actors = DaprActor(app)
uvicorn.run(app, host='127.0.0.1', port=int(os.environ['APP_PORT']), log_level='warning')
