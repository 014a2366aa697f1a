"""PyStreamCounter over the event stream: no HTTP server, all calls in both directions over gRPC. What it does is in counter.py."""

import asyncio
import logging

import counter
from dapr.actor import Remindable
from dapr.actor.client.proxy import ActorFactoryBase, ActorProxy
from dapr.actor.runtime.grpc_host import ActorGrpcHost
from dapr.clients.grpc.dapr_actor_grpc_client import DaprActorGrpcClient
from dapr.serializers import DefaultJSONSerializer


# The SDK looks for Remindable among the bases of the class itself.
class PyStreamCounter(counter.Counter, Remindable):
    pass


class GrpcProxies(ActorFactoryBase):
    def __init__(self):
        self._client = DaprActorGrpcClient()

    def create(self, actor_type, actor_id, actor_interface=None):
        return ActorProxy(self._client, actor_type, actor_id, actor_interface, DefaultJSONSerializer())


async def main() -> None:
    counter.proxy_factory = GrpcProxies()
    counter.use_reentrancy()
    host = ActorGrpcHost()
    await host.register_actor(PyStreamCounter)
    async with host:
        counter.serve_client(asyncio.get_running_loop())
        await asyncio.Event().wait()


logging.basicConfig(level=logging.INFO)
asyncio.run(main())
