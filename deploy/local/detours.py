"""A proxy for each connection that a process of ours has, so that each can be made to fail by itself."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from deploy.local.environments import Surroundings
from deploy.local.proxy import Proxy, running_proxy
from deploy.local.services import Ports

DATABASE, BROKER, GRAPH, INGRESS = "database", "broker", "graph", "ingress"
PEERS: Mapping[str, tuple[str, ...]] = {
    "dispatcher": (DATABASE, BROKER, GRAPH),
    "subscriptions": (DATABASE, BROKER),
    "ingress": (BROKER,),
    "notices": (BROKER,),
    "simulator": (INGRESS,),
}

Link = tuple[str, str]


@dataclass(frozen=True)
class Detours:
    """The proxies, by name of the process and of what it connects to."""

    proxies: Mapping[Link, Proxy] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, process: str, peer: str) -> Proxy:
        return self.proxies[process, peer]

    def around(self, straight: Surroundings) -> Surroundings:
        """The same surroundings, with the proxies' ports for those who go through them."""
        processes = {process for process, _ in self.proxies}
        return replace(straight, detours={process: self._seen_by(process, straight) for process in processes})

    def _seen_by(self, process: str, straight: Surroundings) -> Surroundings:
        def port(peer: str, otherwise: int) -> int:
            proxy = self.proxies.get((process, peer))
            return proxy.port if proxy else otherwise

        return replace(
            straight,
            database_port=port(DATABASE, straight.database_port),
            broker_port=port(BROKER, straight.broker_port),
            simulator_port=port(GRAPH, straight.simulator_port),
            ingress_port=port(INGRESS, straight.ingress_port),
        )


@asynccontextmanager
async def detours(around: Surroundings, ports: Ports) -> AsyncIterator[Detours]:
    """Proxies for all processes. Webhooks go to all replicas of the ingress in turn."""
    targets = {
        DATABASE: [around.database_port],
        BROKER: [around.broker_port],
        GRAPH: [around.simulator_port],
        INGRESS: ports.ingresses,
    }
    async with AsyncExitStack() as ends:
        proxies = {
            (process, peer): await ends.enter_async_context(running_proxy(targets[peer]))
            for process in (*ports.internal, "simulator")
            for peer in PEERS[process.rpartition("-")[0] or process]
        }
        yield Detours(proxies)
