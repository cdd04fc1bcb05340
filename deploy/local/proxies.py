"""A proxy for each connection of our processes, so that each can be made to fail by itself."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from deploy.local.environments import StackEnvironment
from deploy.local.proxy import Proxy, run_proxy
from deploy.local.services import Ports

DATABASE, BROKER, GRAPH, INGRESS = "database", "broker", "graph", "ingress"
PEERS: Mapping[str, tuple[str, ...]] = {
    "dispatcher": (DATABASE, BROKER, GRAPH),
    "subscriptions": (DATABASE, BROKER),
    "newsroom": (DATABASE, BROKER),
    "ingress": (BROKER,),
    "notices": (BROKER,),
    "simulator": (INGRESS,),
}

Link = tuple[str, str]


@dataclass(frozen=True)
class Proxies:
    """The proxies, by process and peer."""

    proxies: Mapping[Link, Proxy] = field(default_factory=lambda: MappingProxyType({}))

    def get(self, process: str, peer: str) -> Proxy:
        return self.proxies[process, peer]

    def apply_to(self, stack: StackEnvironment) -> StackEnvironment:
        """Return the environment with the proxies' ports for the proxied processes."""
        processes = {process for process, _ in self.proxies}
        return replace(stack, proxied={process: self._build_view(process, stack) for process in processes})

    def _build_view(self, process: str, stack: StackEnvironment) -> StackEnvironment:
        def port(peer: str, otherwise: int) -> int:
            proxy = self.proxies.get((process, peer))
            return proxy.port if proxy else otherwise

        return replace(
            stack,
            database_port=port(DATABASE, stack.database_port),
            broker_port=port(BROKER, stack.broker_port),
            simulator_port=port(GRAPH, stack.simulator_port),
            ingress_port=port(INGRESS, stack.ingress_port),
        )


@asynccontextmanager
async def run_proxies(stack: StackEnvironment, ports: Ports) -> AsyncIterator[Proxies]:
    """Run proxies for all processes. Webhooks go to all replicas of the ingress in turn."""
    targets = {
        DATABASE: [stack.database_port],
        BROKER: [stack.broker_port],
        GRAPH: [stack.simulator_port],
        INGRESS: ports.ingresses,
    }
    async with AsyncExitStack() as ends:
        proxies = {
            (process, peer): await ends.enter_async_context(run_proxy(targets[peer]))
            for process in (*ports.internal, "simulator")
            for peer in PEERS[process.rpartition("-")[0] or process]
        }
        yield Proxies(proxies)
