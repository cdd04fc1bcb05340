"""A proxy for each connection of our processes, so that each can fail separately."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from deploy.local.environments import StackEnvironment
from deploy.local.services import Ports
from tests.proxy import Proxy, run_proxy

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


@dataclass
class Proxies:
    """The proxies, by process and peer; none before `connect`."""

    proxies: Mapping[Link, Proxy] = field(default_factory=dict)

    @asynccontextmanager
    async def connect(self, stack: StackEnvironment, ports: Ports) -> AsyncIterator[StackEnvironment]:
        """Run proxies for all processes, and yield the environment with their ports.

        Webhooks go to all replicas of the ingress in turn.
        """
        targets = {
            DATABASE: stack.database_ports,
            BROKER: stack.broker_ports,
            GRAPH: [stack.simulator_port],
            INGRESS: ports.ingresses,
        }
        async with AsyncExitStack() as resources:
            self.proxies = {
                (process, peer): await resources.enter_async_context(run_proxy(targets[peer]))
                for process in (*ports.internal, "simulator")
                for peer in PEERS[process.rpartition("-")[0] or process]
            }
            processes = {process for process, _ in self.proxies}
            yield replace(stack, proxied={process: self._build_view(process, stack) for process in processes})

    def _build_view(self, process: str, stack: StackEnvironment) -> StackEnvironment:
        def get_port(peer: str, default: int) -> int:
            proxy = self.proxies.get((process, peer))
            return proxy.port if proxy else default

        return replace(
            stack,
            database_ports=(get_port(DATABASE, stack.database_ports[0]),),
            broker_ports=(get_port(BROKER, stack.broker_ports[0]),),
            simulator_port=get_port(GRAPH, stack.simulator_port),
            ingress_port=get_port(INGRESS, stack.ingress_port),
        )
