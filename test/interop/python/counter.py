"""The counter that both Python hosts run, and the client that calls actors of any type through the official SDK.

Asked over standard input, a JSON line a call: {"n":1,"type":"JsCounter","id":"a","method":"increment","args":[5]}.
Answers on standard output: @@{"n":1,"result":5} or @@{"n":1,"error":"..."}; @@{"ready":true} when it serves. Ends with its input.
"""

import asyncio
import json
import os
import sys
import threading
from datetime import timedelta

from dapr.actor import Actor, ActorId, ActorInterface, ActorProxy, ActorRuntime, actormethod
from dapr.actor.runtime.config import ActorReentrancyConfig, ActorRuntimeConfig

SOON = timedelta(milliseconds=300)


class CounterInterface(ActorInterface):
    """Several arguments are a list. One is a value, or a list of one: what clients in JavaScript send."""

    @actormethod(name='increment')
    async def increment(self, args: object) -> object: ...

    @actormethod(name='get')
    async def get(self) -> object: ...

    @actormethod(name='fail')
    async def fail(self) -> object: ...

    @actormethod(name='startTimer')
    async def start_timer(self) -> object: ...

    @actormethod(name='ticked')
    async def ticked(self) -> object: ...

    @actormethod(name='stopTimer')
    async def stop_timer(self) -> object: ...

    @actormethod(name='startReminder')
    async def start_reminder(self) -> object: ...

    @actormethod(name='reminded')
    async def reminded(self) -> object: ...

    @actormethod(name='payload')
    async def payload(self) -> object: ...

    @actormethod(name='stopReminder')
    async def stop_reminder(self) -> object: ...

    @actormethod(name='relay')
    async def relay(self, args: object) -> object: ...

    @actormethod(name='roundTrip')
    async def round_trip(self, args: object) -> object: ...


class Counter(Actor, CounterInterface):
    """Registered under the name of the class that a host derives from it."""

    async def _read(self, name: str, otherwise: object) -> object:
        exists, value = await self._state_manager.try_get_state(name)
        return value if exists else otherwise

    async def _add(self, name: str, by: int) -> int:
        value = await self._read(name, 0) + by
        await self._state_manager.set_state(name, value)
        return value

    async def increment(self, args: object) -> object:
        return await self._add('value', args[0] if isinstance(args, list) else args)

    async def get(self) -> object:
        return await self._read('value', 0)

    async def fail(self) -> object:
        raise RuntimeError('boom')

    async def start_timer(self) -> object:
        await self.register_timer('tick', self.on_tick, 3, SOON, SOON)
        return True

    async def on_tick(self, by: object) -> None:
        await self._add('ticked', by)

    async def ticked(self) -> object:
        return await self._read('ticked', 0)

    async def stop_timer(self) -> object:
        await self.unregister_timer('tick')
        return True

    async def start_reminder(self) -> object:
        await self.register_reminder('wake', b'payload', SOON, SOON)
        return True

    async def receive_reminder(self, name, state, due_time, period, ttl=None) -> None:
        await self._state_manager.set_state('payload', state.decode())
        await self._add('reminded', 1)

    async def reminded(self) -> object:
        return await self._read('reminded', 0)

    async def payload(self) -> object:
        return await self._read('payload', '')

    async def stop_reminder(self) -> object:
        await self.unregister_reminder('wake')
        return True

    async def relay(self, args: object) -> object:
        actor_type, actor_id, method, by = args
        return await call(proxy_of(actor_type, actor_id), method, [by])

    async def round_trip(self, args: object) -> object:
        """This actor, another one, this actor again: only with reentrancy."""
        own_type = self.runtime_ctx.actor_type_info.type_name
        other = proxy_of(own_type, args[0])
        return await call(other, 'relay', [own_type, self.id.id, 'increment', 1])


# Replaced by the host on the event stream, whose calls leave over gRPC.
proxy_factory = None


def proxy_of(actor_type: str, actor_id: str) -> ActorProxy:
    return ActorProxy.create(actor_type, ActorId(actor_id), CounterInterface, proxy_factory)


async def call(proxy: ActorProxy, method: str, args: list) -> object:
    """Methods of every type by their name on the wire, which `proxy.increment` would not find in Go."""
    reply = await proxy.invoke_method(method, json.dumps(args).encode() if args else None)
    return json.loads(reply) if reply else None


def use_reentrancy() -> None:
    ActorRuntime.set_actor_config(ActorRuntimeConfig(reentrancy=ActorReentrancyConfig(enabled=True)))


def tell(message: dict) -> None:
    print('@@' + json.dumps(message), flush=True)


async def _answer(n: int, type: str, id: str, method: str, args: list, via: str = '') -> None:
    try:
        tell({'n': n, 'result': await call(proxy_of(type, id), method, args)})
    except Exception as error:
        tell({'n': n, 'error': str(error) or repr(error)})


def serve_client(loop: asyncio.AbstractEventLoop) -> None:
    def read() -> None:
        for line in sys.stdin:
            asyncio.run_coroutine_threadsafe(_answer(**json.loads(line)), loop)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    tell({'ready': True})
